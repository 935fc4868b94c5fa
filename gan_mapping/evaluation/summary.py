"""From measures of faces to the figures of the tables. Shares are over pairs of a face and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gan_mapping.evaluation.edits import Attempt, EditMeasure
from gan_mapping.evaluation.measures import at_equal, mean
from gan_mapping.evaluation.sentences import GROUPS, EditSentence


@dataclass(frozen=True)
class EditSummary:
    """Means over pairs (nan where there is none).

    pairs, lacking: all, and those in which a target did not hold before. reached: all targets hold after the edit;
    reached_new: the same among the lacking. flipped: leakage. identity: all pairs; identity_kept: pairs whose
    sentence leaves age, gender and skin alone. outside, monotone, seconds: see EditMeasure. photo_to_edit,
    photo_to_paste: only sentences that leave the person alone; outside_pixels: the largest (-1: no photo).
    """

    name: str
    pairs: int
    lacking: int
    reached: float
    reached_new: float
    flipped: float
    identity: float
    identity_kept: float
    outside: float
    monotone: float
    seconds: float
    photo_to_edit: float
    photo_to_paste: float
    outside_pixels: int


def summarise(name: str, measures: Sequence[EditMeasure], keeps_person: Callable[[str], bool]) -> EditSummary:
    """keeps_person: by the sentence's text."""
    lacking = [m for m in measures if m.lacked]
    kept = [m for m in measures if keeps_person(m.text)]
    return EditSummary(
        name,
        len(measures),
        len(lacking),
        mean([float(all(m.reached)) for m in measures]),
        mean([float(all(m.reached)) for m in lacking]),
        mean([m.flipped for m in measures]),
        mean([m.identity for m in measures]),
        mean([m.identity for m in kept]),
        mean([m.outside for m in measures]),
        mean([m.monotone for m in measures]),
        mean([m.seconds for m in measures]),
        mean([m.photo_to_edit for m in kept]),
        mean([m.photo_to_paste for m in kept]),
        max((m.outside_pixels for m in measures), default=-1),
    )


def by_sentence(measures: Sequence[EditMeasure], sentences: Sequence[EditSentence]) -> list[EditSummary]:
    """A summary per sentence, then per group, then of all."""
    keeps = {s.text: s.keeps_person for s in sentences}.__getitem__
    rows = [summarise(s.text, [m for m in measures if m.text == s.text], keeps) for s in sentences]
    for group in GROUPS:
        texts = {s.text for s in sentences if s.group == group}
        rows.append(summarise(f"all: {group}", [m for m in measures if m.text in texts], keeps))
    return [*rows, summarise("all", measures, keeps)]


@dataclass(frozen=True)
class Comparison:
    """Ours against a baseline on the same pairs, all of which lacked a target.

    ours, theirs: success, identity distance and leakage of our edit and of the baseline as it comes (largest size);
    equal_success, equal_flipped: the baseline's where its mean identity distance is ours, read off its curve of
    sizes (nan when the curve does not get there). curve: per size: success, identity distance, leakage.
    seconds, speed_ratio: of one baseline edit, and by how many times ours is faster (nan: not timed).
    """

    name: str
    pairs: int
    faces: int
    ours: tuple[float, float, float]
    theirs: tuple[float, float, float]
    equal_success: float
    equal_flipped: float
    curve: tuple[tuple[float, float, float, float], ...]
    seconds: float = math.nan
    speed_ratio: float = math.nan


def compare(
    name: str, measures: Iterable[tuple[str, EditMeasure]], attempts: Callable[[EditMeasure], Sequence[Attempt]]
) -> Comparison | None:
    """measures: (face, measure); attempts: the baseline's sizes of that pair. None when there is no such pair."""
    pairs = [(face, m) for face, m in measures if attempts(m) and m.lacked]
    if not pairs:
        return None
    rows = [m for _, m in pairs]
    curve: list[tuple[float, float, float, float]] = []
    for size in sorted({a.size for m in rows for a in attempts(m)}):
        tried = [a for m in rows for a in attempts(m) if a.size == size]
        reached = mean([float(a.reached) for a in tried])
        curve.append((size, reached, mean([a.identity for a in tried]), mean([a.flipped for a in tried])))
    ours = (
        mean([float(all(m.reached)) for m in rows]),
        mean([m.identity for m in rows]),
        mean([m.flipped for m in rows]),
    )
    # Size 0 is the unedited face: nothing reached, nobody moved.
    points = [(0.0, 0.0, 0.0, 0.0), *curve]
    seconds = mean([m.optimised_seconds for m in rows]) if name == OPTIMISATION else math.nan
    return Comparison(
        name,
        len(rows),
        len({face for face, _ in pairs}),
        ours,
        curve[-1][1:],
        at_equal(ours[1], [(p[2], p[1]) for p in points]),
        at_equal(ours[1], [(p[2], p[3]) for p in points]),
        tuple(curve),
        seconds,
        seconds / mean([m.seconds for m in rows]),
    )


BOUNDARY = "boundary in w (InterFaceGAN)"
OPTIMISATION = "w+ optimised towards the text (StyleCLIP)"


def comparisons(measures: Sequence[tuple[str, EditMeasure]]) -> list[Comparison]:
    """Both baselines, as far as they were run."""
    found = (
        compare(BOUNDARY, measures, lambda m: m.boundary),
        compare(OPTIMISATION, measures, lambda m: m.optimised),
    )
    return [c for c in found if c is not None]
