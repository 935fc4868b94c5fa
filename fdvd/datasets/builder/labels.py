"""From readings per frame to what may be said about a clip.

What a person looks like (hair, beard, ...) is read from all clips of the actor together; what the face does (smile,
pose, ...) from the clip alone. Gender, emotion and voice come from the file name, the age from RAVDESS's paper.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fdvd.attributes.table import attribute_table
from fdvd.datasets.builder.settings import BuildSettings
from fdvd.datasets.ravdess.names import Recording
from fdvd.language.captions import describe, facts_of

_YOUNG_ADULT = 0.45  # what the attributes table calls young; RAVDESS's actors are 21 to 33
_SURELY_SHORT = 0.05  # "not long" may be medium; only this low it is said to be short
_SERIOUS = frozenset(("sad", "angry", "fearful", "disgusted"))
Readings = Mapping[str, Sequence[float]]


def is_momentary(name: str) -> bool:
    """Whether this attribute changes within a clip."""
    row = attribute_table().get(name)
    return row is not None and row.momentary


def pooled(clips: Iterable[tuple[int, Readings]]) -> dict[int, dict[str, float]]:
    """(actor, readings) of all clips -> {actor: {lasting attribute: mean probability}}."""
    table = attribute_table()
    from_elsewhere = {*table.in_group("gender"), *table.in_group("age_group")}
    values: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for actor, readings in clips:
        for name, series in readings.items():
            if name not in from_elsewhere and not is_momentary(name):
                values[actor][name].extend(series)
    return {actor: {name: float(np.mean(v)) for name, v in rows.items()} for actor, rows in values.items()}


def clip_probabilities(readings: Readings, lasting: Mapping[str, float]) -> dict[str, float]:
    """Probability by attribute: the actor's lasting ones and the clip's own momentary ones, rounded."""
    own = {name: float(np.mean(series)) for name, series in readings.items() if is_momentary(name)}
    return {name: round(value, 3) for name, value in sorted({**lasting, **own}.items())}


def clip_facts(
    recording: Recording, probabilities: Mapping[str, float], readings: Readings, settings: BuildSettings
) -> frozenset[str]:
    """The facts of fdvd.language.captions that hold for this clip."""
    labels: dict[str, float | None] = {name: _decided(value, settings) for name, value in probabilities.items()}
    if labels.get("long_hair") == 0 and probabilities["long_hair"] > _SURELY_SHORT:
        labels["long_hair"] = None
    labels |= {"male": float(recording.gender == "male"), "age": _YOUNG_ADULT, "child": 0.0}
    named = set(recording.facts())
    motions = _motions(readings, settings)
    # A played emotion shows: what the judge sees against it is more likely its mistake than the actor's.
    if named & _SERIOUS:
        motions -= {"starts_smile", "stops_smile"}
        labels["smile"] = labels["teeth"] = None
    if "happy" in named:
        labels["frown"] = None
        labels["smile"] = labels.get("smile") or None
    return facts_of(labels, named | motions)


def clip_captions(name: str, facts: frozenset[str], settings: BuildSettings) -> list[str]:
    """Different sentences about the clip, the same in every build. Raises InputError when too little is known."""
    return describe(facts, zlib.crc32(name.encode()) + settings.seed, settings.captions)


def _decided(probability: float, settings: BuildSettings) -> float | None:
    if probability >= settings.yes:
        return 1.0
    return 0.0 if probability <= settings.no else None


def _motions(readings: Readings, settings: BuildSettings) -> set[str]:
    """Changes between the first and the last third of a clip."""
    motions = set()
    for row in attribute_table():
        series = list(readings.get(row.name, ())) if row.motion else []
        if len(series) < 3:
            continue
        third = len(series) // 3
        first, last = float(np.mean(series[:third])), float(np.mean(series[-third:]))
        if first <= settings.no and last >= settings.yes:
            motions.add(row.motion[0])
        if first >= settings.yes and last <= settings.no:
            motions.update(row.motion[1:])
    return motions
