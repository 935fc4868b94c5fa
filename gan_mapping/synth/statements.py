"""Short statements about single attributes with their opposites, for faces whose labels are known.

Captions say what is there and hardly ever what is not, so contrastive training on them alone takes "without bangs" for
a way to mention bangs.
"""

from __future__ import annotations

from collections.abc import Mapping

Statement = tuple[str, str]  # true, untrue
TIMES_HELD = 4

_WORN = {
    "glasses": "glasses",
    "sunglasses": "sunglasses",
    "hat": "a hat",
    "lipstick": "lipstick",
    "makeup": "makeup",
    "earrings": "earrings",
    "necklace": "a necklace",
}
_HAD = {
    "bangs": "bangs",
    "beard": "a beard",
    "mustache": "a mustache",
    "blond_hair": "blond hair",
    "black_hair": "black hair",
    "brown_hair": "brown hair",
    "red_hair": "red hair",
    "gray_hair": "gray hair",
    "curly_hair": "curly hair",
    "wavy_hair": "wavy hair",
    "long_hair": "long hair",
}
# Attribute -> (statements where it holds, statements where it does not), pairwise opposites.
_OTHER: dict[str, tuple[Statement, ...]] = {
    "smile": (("a smiling person", "a person who does not smile"), ("{who} smiles", "{who} does not smile")),
    "bald": (("a bald person", "a person with hair"),),
    "male": (("a man", "a woman"), ("the face of a man", "the face of a woman")),
    "child": (("a child", "an adult"), ("the face of a child", "the face of an adult")),
}
_HAIR_COLOURS = ("blond_hair", "black_hair", "brown_hair", "red_hair", "gray_hair")


def statements(labels: Mapping[str, float | None]) -> list[Statement]:
    """Labels of one face (None: unknown) -> (true, untrue) pairs about everything that is known.

    What a face has is much rarer than what it lacks, so those pairs come several times.
    """
    known = {name: value > 0.5 for name, value in labels.items() if value is not None and name != "age"}
    male = known.get("male")
    who = "a person" if male is None else "a man" if male else "a woman"
    pairs: list[tuple[bool, Statement]] = []
    for name, thing in {**_WORN, **_HAD}.items():
        if name in known:
            pairs += [
                (known[name], (f"{one} with {thing}", f"{one} without {thing}"))
                for one in dict.fromkeys((who, "a person"))
            ]
    for name, thing in _WORN.items():
        if name in known:
            pairs.append((known[name], (f"{who} wearing {thing}", f"{who} who is not wearing {thing}")))
            pairs.append((known[name], (f"This person wears {thing}.", f"This person does not wear {thing}.")))
    for name, thing in _HAD.items():
        if name in known:
            pairs.append((known[name], (f"This person has {thing}.", f"This person does not have {thing}.")))
    for name, both in _OTHER.items():
        if name in known:
            pairs += [(known[name], (one.format(who=who), other.format(who=who))) for one, other in both]
    for name in _HAIR_COLOURS:
        for other in _HAIR_COLOURS:
            if known.get(name) and known.get(other) is False:
                pairs.append((True, (f"{who} with {_HAD[name]}", f"{who} with {_HAD[other]}")))
    age = labels.get("age")
    if age is not None and (age <= 0.45 or age >= 1):
        pairs.append((age >= 1, ("an old person", "a young person")))
    return [pair if holds else (pair[1], pair[0]) for holds, pair in pairs for _ in range(TIMES_HELD if holds else 1)]
