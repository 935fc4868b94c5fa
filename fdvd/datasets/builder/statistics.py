"""Numbers of a build, beside those of the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

PAPER: dict[str, float] = {"clips": 613, "frames": 74_803, "descriptions_per_clip": 10, "side": 1024}
"""FDVD as section 5.4 of the paper describes it."""


def statistics(rows: Sequence[Row]) -> Row:
    """Counts over the rows of a manifest."""
    captions = [caption for row in rows for caption in row["captions"]]
    words = [word.strip(".,").lower() for caption in captions for word in caption.split()]
    clips, frames = len(rows), sum(row["frames"] for row in rows)
    return {
        "clips": clips,
        "frames": frames,
        "frames_per_clip": round(frames / clips, 1) if clips else 0.0,
        "hours": round(sum(row["duration"] for row in rows) / 3600, 3),
        "side": max((row["size"] for row in rows), default=0),
        "descriptions": len(captions),
        "descriptions_per_clip": round(len(captions) / clips, 2) if clips else 0.0,
        "different_descriptions": len(set(captions)),
        "words_per_description": round(len(words) / len(captions), 1) if captions else 0.0,
        "vocabulary": len(set(words)),
        "actors": len({row["actor"] for row in rows}),
        "splits": _counts(rows, "split"),
        "genders": _counts(rows, "gender"),
        "channels": _counts(rows, "channel"),
        "emotions": _counts(rows, "emotion"),
    }


def _counts(rows: Sequence[Row], name: str) -> dict[str, int]:
    return dict(sorted(Counter(row[name] for row in rows).items()))


def statistics_table(numbers: Row) -> str:
    """Markdown; the paper's column is empty where it gives no number."""
    paper = {**PAPER, "frames_per_clip": round(PAPER["frames"] / PAPER["clips"], 1)}
    labels = {
        "clips": "clips",
        "frames": "frames",
        "frames_per_clip": "frames per clip",
        "hours": "hours",
        "side": "side of a frame, px",
        "descriptions_per_clip": "descriptions per clip",
        "descriptions": "descriptions",
        "different_descriptions": "different descriptions",
        "words_per_description": "words per description",
        "vocabulary": "different words",
        "actors": "actors",
    }
    lines = ["| | this build | paper |", "|---|---|---|"]
    lines += [f"| {label} | {numbers[key]:,} | {_number(paper.get(key))} |" for key, label in labels.items()]
    for group in ("splits", "genders", "channels", "emotions"):
        text = ", ".join(f"{name} {count:,}" for name, count in numbers[group].items())
        lines.append(f"| clips by {group[:-1]} | {text} | |")
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}"
