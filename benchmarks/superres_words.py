"""Do words settle what the pixels hide? Held-out faces with and without eight attributes, judged from pictures.

    python benchmarks/superres_words.py --each 6

For each attribute, faces labelled by hand as having it and as lacking it; each is answered without words, with the
sentence that is true of it and with the one that is false. Interrupted, the same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from superres_faces import PLAIN, Faces, Record, held_out_labels, parsed, parser_for

from apps.cli.common import write_text
from fdvd.attributes.table import Labels
from gan_mapping.superres.fairness import balanced


@dataclass(frozen=True)
class Hidden:
    """An attribute that 16 px hide. has: True, False, or None (leave the face out) from a face's labels."""

    name: str
    have: str
    lack: str
    has: Callable[[Labels], bool | None]


def _flag(name: str) -> Callable[[Labels], bool | None]:
    return lambda labels: None if labels[name] is None else bool(labels[name])


def _old(labels: Labels) -> bool | None:
    """Old against young and younger; the middle-aged are neither."""
    age = labels["age"]
    return None if age is None or age == 0.7 else age > 0.7


HIDDEN = (
    Hidden("glasses", "wearing glasses", "without glasses", _flag("glasses")),
    Hidden("lipstick", "wearing red lipstick", "without lipstick", _flag("lipstick")),
    Hidden("smile", "smiling", "not smiling", _flag("smile")),
    Hidden("beard", "with a beard", "without a beard", _flag("beard")),
    Hidden("age", "an old person", "a young person", _old),
    Hidden("male", "a man", "a woman", _flag("male")),
    Hidden("bangs", "with bangs", "without bangs", _flag("bangs")),
    Hidden("earrings", "wearing earrings", "without earrings", _flag("earrings")),
)
KINDS = ("none", "true", "false")


@dataclass(frozen=True)
class Trial:
    """One attribute of one face. says: the judge's answer to the truth and to each kind of words (True: has it)."""

    name: str
    has: bool
    truth: bool
    says: dict[str, bool]
    answers: dict[str, Record]


def plan(labels: dict[int, Labels], each: int, first: Sequence[int]) -> dict[int, list[tuple[Hidden, bool]]]:
    """Seed -> what is tried on it: `each` faces that have an attribute and as many that lack it; `first` come first.

    A smaller `each` gives a part of what a larger one gives.
    """
    order = [*first, *(seed for seed in labels if seed not in set(first))]
    tried: dict[int, list[tuple[Hidden, bool]]] = {}
    for number, hidden in enumerate(HIDDEN):
        for wanted in (True, False):
            fitting = [seed for seed in order if hidden.has(labels[seed]) is wanted]
            # Attributes start at different faces, so that those who lack it are not always the same.
            turn = 0 if wanted else 3 * number
            for seed in fitting[turn : turn + each]:
                tried.setdefault(seed, []).append((hidden, wanted))
    return tried


def trials_of(record: Record, tried: list[tuple[Hidden, bool]]) -> list[Trial]:
    trials = []
    for hidden, has in tried:
        true, false = (hidden.have, hidden.lack) if has else (hidden.lack, hidden.have)
        answers = {kind: record["answers"][text] for kind, text in zip(KINDS, (PLAIN, true, false), strict=True)}
        says = {kind: answer["reads"][hidden.name] > 0 for kind, answer in answers.items()}
        trials.append(Trial(hidden.name, has, record["truth"][hidden.name] > 0, says, answers))
    return trials


def row(name: str, trials: Sequence[Trial]) -> dict[str, float | str]:
    """Shares: the judge right about the truth and about each answer, and false words believed."""

    def right(kind: str) -> float:
        return float(np.mean([trial.says[kind] == trial.has for trial in trials]))

    return {
        "attribute": name,
        "trials": len(trials),
        "judge on the truth": float(np.mean([trial.truth == trial.has for trial in trials])),
        "no words": right("none"),
        "true words": right("true"),
        "gain": right("true") - right("none"),
        "false words followed": 1 - right("false"),
        "consistency, no words": float(np.mean([trial.answers["none"]["consistency"] for trial in trials])),
        "true": float(np.mean([trial.answers["true"]["consistency"] for trial in trials])),
        "false": float(np.mean([trial.answers["false"]["consistency"] for trial in trials])),
        "worst": float(max(answer["consistency"] for trial in trials for answer in trial.answers.values())),
    }


def table(trials: Sequence[Trial]) -> tuple[list[dict[str, float | str]], str]:
    """Rows by attribute, their mean, those that have it and those that lack it; and the same as Markdown."""
    names = [hidden.name for hidden in HIDDEN if any(trial.name == hidden.name for trial in trials)]
    rows = [row(name, [trial for trial in trials if trial.name == name]) for name in names]
    rows += [row("**all**", trials), row("those who have it", [t for t in trials if t.has])]
    rows.append(row("those who lack it", [t for t in trials if not t.has]))
    lines = [f"| {' | '.join(rows[0])} |", "|" + "---|" * len(rows[0])]
    for one in rows:
        cells = []
        for column, value in one.items():
            if isinstance(value, str | int):
                cells.append(str(value))
            elif column == "gain":
                cells.append(f"{100 * value:+.0f}")
            else:
                short = column in ("consistency, no words", "true", "false", "worst")
                cells.append(f"{value:.2f}" if short else f"{value:.0%}")
        lines.append(f"| {' | '.join(cells)} |")
    return rows, "\n".join(lines)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--each", type=int, default=6, help="faces that have each attribute, and as many that lack it")
    options = parsed(parser)
    labels = held_out_labels()
    tried = plan(labels, options.each, balanced(labels, 48))
    faces = Faces(options.work, options.side)
    trials: list[Trial] = []
    for number, (seed, wanted) in enumerate(tried.items(), start=1):
        record = faces.record(seed, [text for hidden, _ in wanted for text in (hidden.have, hidden.lack)])
        trials += trials_of(record, wanted)
        print(f"{number}/{len(tried)} faces, {len(trials)} trials", flush=True)
        rows, text = table(trials) if number == len(tried) or not number % 8 else ([], "")
        if text:
            print(text, flush=True)
    write_text(options.out / "superres_words.md", f"{text}\n\n{len(tried)} held-out faces, {options.side} px.\n")
    write_text(options.out / "superres_words.json", json.dumps({"faces": len(tried), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
