"""Does super-resolution turn people into other people? Groups of appearance, a balanced choice of faces, and flips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fdvd.attributes.table import Labels

TONES = ("dark", "light or medium")
QUESTIONS = ("gender", "age group", "skin tone", "East Asian features")


def appearance(readings: Mapping[str, float]) -> dict[str, str]:
    """The judge's readings of a picture (logits by attribute; above 0 is yes) -> its answer to each question.

    These are appearances, as a classifier reads them off a picture; nobody is depicted and nobody was asked.
    """
    age = "child" if readings["child"] > 0 else "older" if readings["age"] > 0 else "young"
    return {
        "gender": "man" if readings["male"] > 0 else "woman",
        "age group": age,
        "skin tone": TONES[0] if readings["dark_skin"] > 0 else TONES[1],
        "East Asian features": "yes" if readings["asian"] > 0 else "no",
    }


def labelled(labels: Labels) -> dict[str, str]:
    """The same answers from a face's labels; tanned skin (unknown in the labels) counts as dark, as the two meet."""
    age = labels["age"]
    assert age is not None
    return {
        "gender": "man" if labels["male"] else "woman",
        "age group": "child" if labels["child"] else "older" if age > 0.5 else "young",
        "skin tone": TONES[1] if labels["dark_skin"] == 0 else TONES[0],
        "East Asian features": "yes" if labels["asian"] else "no",
    }


def balanced(faces: Mapping[int, Labels], count: int) -> list[int]:
    """`count` seeds, one after the other from each combination of gender, age group and complexion that has any left.

    Complexion: dark or tanned, East Asian, others. Rare combinations run out, so they stay smaller.
    """
    cells: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for seed in sorted(faces):
        groups = labelled(faces[seed])
        other = "asian" if groups["East Asian features"] == "yes" else groups["skin tone"]
        cells[groups["gender"], groups["age group"], other].append(seed)
    queues = [cells[key] for key in sorted(cells)]
    chosen: list[int] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return chosen


@dataclass(frozen=True)
class FlipRow:
    """One group: how many faces the truth puts there, and shares of them.

    flipped: by question, the answer that was read differs from what is read off the true picture.
    misread: by question, what is read off the true picture differs from the label: the judge's own error.
    """

    group: str
    faces: int
    flipped: dict[str, float]
    misread: dict[str, float]


def flip_rows(
    faces: Sequence[tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]],
) -> list[FlipRow]:
    """faces: (labelled, read off the truth, read off the answer) each -> rows for all and every group of labels."""
    groups: dict[str, list[int]] = {"all": list(range(len(faces)))}
    for question in QUESTIONS:
        values = sorted({labels[question] for labels, _, _ in faces})
        for value in values:
            name = f"{question}: {value}"
            groups[name] = [i for i, (labels, _, _) in enumerate(faces) if labels[question] == value]
    rows = []
    for name, members in groups.items():
        flipped = {q: _share(faces[i][1][q] != faces[i][2][q] for i in members) for q in QUESTIONS}
        misread = {q: _share(faces[i][0][q] != faces[i][1][q] for i in members) for q in QUESTIONS}
        rows.append(FlipRow(name, len(members), flipped, misread))
    return rows


def _share(hits: Iterable[bool]) -> float:
    values = list(hits)
    return sum(values) / len(values) if values else float("nan")
