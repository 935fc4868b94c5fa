"""Short statements about single attributes with their opposites, for faces whose labels are known.

Captions say what is there and hardly ever what is not, so contrastive training on them alone takes "without bangs" for
a way to mention bangs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from fdvd.attributes.table import attribute_table

Statement = tuple[str, str]  # true, untrue
TIMES_HELD = 4


@dataclass(frozen=True)
class Words:
    """worn, had: attribute -> the thing. other: attribute -> opposites. told_apart: attributes of `had`."""

    worn: dict[str, str]
    had: dict[str, str]
    other: dict[str, list[Statement]]
    told_apart: tuple[str, ...]


@functools.cache
def load_words() -> Words:
    """``statements.yaml``. Raises ValueError for an attribute that the table does not hold."""
    path = Path(__file__).with_name("statements.yaml")
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    strange = sorted({*data["worn"], *data["had"], *data["other"], *data["told_apart"]} - set(attribute_table().names))
    if strange:
        raise ValueError(f"{path.name} names {', '.join(strange)}, which the attributes table does not hold")
    other = {name: [(holds, not_) for holds, not_ in pairs] for name, pairs in data["other"].items()}
    return Words(data["worn"], data["had"], other, tuple(data["told_apart"]))


def statements(labels: Mapping[str, float | None]) -> list[Statement]:
    """Labels of one face (None: unknown) -> (true, untrue) pairs about everything that is known.

    What a face has is much rarer than what it lacks, so those pairs come several times.
    """
    words = load_words()
    known = {name: value > 0.5 for name, value in labels.items() if value is not None and name != "age"}
    male = known.get("male")
    who = "a person" if male is None else "a man" if male else "a woman"
    pairs: list[tuple[bool, Statement]] = []
    for name, thing in {**words.worn, **words.had}.items():
        if name in known:
            pairs += [
                (known[name], (f"{one} with {thing}", f"{one} without {thing}"))
                for one in dict.fromkeys((who, "a person"))
            ]
    for name, thing in words.worn.items():
        if name in known:
            pairs.append((known[name], (f"{who} wearing {thing}", f"{who} who is not wearing {thing}")))
            pairs.append((known[name], (f"This person wears {thing}.", f"This person does not wear {thing}.")))
    for name, thing in words.had.items():
        if name in known:
            pairs.append((known[name], (f"This person has {thing}.", f"This person does not have {thing}.")))
    for name, both in words.other.items():
        if name in known:
            pairs += [(known[name], (one.format(who=who), other.format(who=who))) for one, other in both]
    for name in words.told_apart:
        for other in words.told_apart:
            if known.get(name) and known.get(other) is False:
                pairs.append((True, (f"{who} with {words.had[name]}", f"{who} with {words.had[other]}")))
    age = labels.get("age")
    if age is not None and (age <= 0.45 or age >= 1):
        pairs.append((age >= 1, ("an old person", "a young person")))
    return [pair if holds else (pair[1], pair[0]) for holds, pair in pairs for _ in range(TIMES_HELD if holds else 1)]
