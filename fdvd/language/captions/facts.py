"""What captions can say: a vocabulary of facts, and how labels become facts.

A *fact* is one plain truth about a picture or clip, such as ``wavy_hair`` or ``turns_left``. A face is a set of
facts; what is not in the set is either false or unknown and is never said. Left and right are the viewer's, as in
the labelling guide.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fdvd.attributes.table import AttributeTable, attribute_table
from vl_backbone.common.errors import InputError

AGES = ("child", "teen", "young", "middle_aged", "old")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
VOICE = ("speaks", "sings")
MOTIONS = (
    "turns_left",
    "turns_right",
    "turns_to_camera",
    "looks_up",
    "looks_down",
    "starts_smile",
    "stops_smile",
    "opens_mouth",
    "closes_mouth",
    "keeps_still",
    "slight_turn",
)
# Of these only the first holds, in the order of the vocabulary, besides what the table's groups keep apart.
_EXCLUSIVE: tuple[Collection[str], ...] = (
    EMOTIONS,
    VOICE,
    ("turns_left", "turns_right", "turns_to_camera", "keeps_still"),
    ("looks_up", "looks_down", "keeps_still"),
    ("starts_smile", "stops_smile", "keeps_still"),
    ("opens_mouth", "closes_mouth", "keeps_still"),
)
# Told by `_person` and `facts_of` from values that are no yes or no.
_DERIVED = frozenset({"child", "male", "frontal"})


@dataclass(frozen=True)
class Vocabulary:
    """What captions can state with one attributes table.

    facts: every fact, in order. same_name: facts that an attribute of the same name tells. exclusive: of each of
    these only the first holds. hides: the first makes the others untrue or unseen. facial_hair: of a table's rows.
    celeba: CelebA's name -> fact, in the order of its file.
    """

    table: AttributeTable
    facts: tuple[str, ...]
    same_name: frozenset[str]
    exclusive: tuple[frozenset[str], ...]
    hides: dict[str, frozenset[str]]
    facial_hair: tuple[str, ...]
    celeba: dict[str, str]


@functools.cache
def vocabulary(table: AttributeTable | None = None) -> Vocabulary:
    """The captions' vocabulary with this table, or with the program's own."""
    table = table or attribute_table()
    facts = (*table.facts, *EMOTIONS, "strong_emotion", *VOICE, *MOTIONS)
    facial_hair = table.in_group("facial_hair")
    strange = [f"{name} of {row.name!r}" for row in table for name in row.motion if name not in MOTIONS]
    if strange:
        raise InputError(f"{table.path}: unknown motions: {', '.join(strange)}; there are {', '.join(MOTIONS)}.")
    return Vocabulary(
        table,
        facts,
        frozenset(facts) - _DERIVED,
        (*table.apart, *map(frozenset, _EXCLUSIVE)),
        {**table.hides, "female": frozenset(facial_hair)},
        facial_hair,
        dict(table.celeba_facts),
    )


FACTS: tuple[str, ...] = vocabulary().facts
"""Every fact. ``adult`` and ``minor`` only choose nouns (man or boy); no caption states them."""
MOUTH: tuple[str, ...] = attribute_table().group_facts("mouth")
POSE: tuple[str, ...] = attribute_table().group_facts("pose")
CELEBA_ATTRIBUTES: tuple[str, ...] = tuple(vocabulary().celeba)
"""CelebA's 40 attributes, in the order of its attribute file."""


def facts_of(
    labels: Mapping[str, float | None], extra: Collection[str] = (), table: AttributeTable | None = None
) -> frozenset[str]:
    """The consistent facts behind values per attribute (names of `fdvd.attributes.table`; missing or None: unknown).

    A value above 0.5 is "yes", 0 to 0.5 "no"; ``age`` runs from 0 (child) to 1 (old) and ``long_hair`` from
    0 (short) to 1 (long). `extra` holds further facts by name (``tan``, ``turns_left``, ``happy``, ...).
    """
    words = vocabulary(table)
    strange = sorted(set(extra) - set(words.facts))
    if strange:
        raise InputError(f"unknown facts: {', '.join(strange)}; fdvd.language.captions.FACTS lists them")
    facts = {name for name, value in labels.items() if name in words.same_name and value is not None and value > 0.5}
    facts -= {"long_hair"}
    facts |= _person(labels) | _mouth(labels) | _absences(labels, words.table)
    length = labels.get("long_hair")
    if length is not None:
        facts.add("short_hair" if length < 0.25 else "medium_hair" if length < 0.75 else "long_hair")
    if labels.get("look_left") == 0 and labels.get("look_right") == 0:
        facts.add("frontal")
    return consistent(facts | set(extra), table)


def _person(labels: Mapping[str, float | None]) -> set[str]:
    facts = set()
    male, age, child = labels.get("male"), labels.get("age"), labels.get("child")
    if male is not None:
        facts.add("male" if male > 0.5 else "female")
    if age is not None:
        facts.add(AGES[sum(age > border for border in (0.125, 0.35, 0.575, 0.85))])
        facts.add("minor" if age <= 0.35 else "adult")
    elif child is not None and child <= 0.5:
        facts.add("adult")
    return facts


def _mouth(labels: Mapping[str, float | None]) -> set[str]:
    """Smile and mouth, crossed: teeth in a smile are a broad smile, without one an open mouth."""
    smile, teeth = labels.get("smile"), labels.get("teeth")
    facts = {"no_smile"} if smile is not None and smile <= 0.5 else set()
    if teeth is not None and teeth <= 0.5:
        facts.add("mouth_closed")
        if smile is not None and smile > 0.5:
            facts.add("closed_smile")
    if teeth is not None and teeth > 0.5 and smile is not None:
        facts.add("broad_smile" if smile > 0.5 else "mouth_open")
    return facts


def _absences(labels: Mapping[str, float | None], table: AttributeTable) -> set[str]:
    """Of every topic whose attributes are all known to be absent; only grown men are told to be clean-shaven."""
    facts = {
        group.absence
        for group in table.groups
        if group.absence and all(labels.get(name) == 0 for name in table.in_group(group.name))
    }
    if labels.get("male") != 1 or (labels.get("age") or 0) <= 0.35:
        facts.discard("clean_shaven")
    return facts


def consistent(facts: Collection[str], table: AttributeTable | None = None) -> frozenset[str]:
    """The facts without those that contradict or are hidden by others (a bald head has no wavy hair)."""
    words = vocabulary(table)
    kept = set(facts)
    for strong, hidden in words.hides.items():
        if strong in kept:
            kept -= hidden
    for group in words.exclusive:
        kept -= set([name for name in words.facts if name in kept and name in group][1:])
    for name in words.facts:  # in vocabulary order, so that the outcome does not depend on set order
        if name in kept:
            kept -= {other for other, sign in words.table.conflicts.get((name, 1), ()) if sign > 0 and other != name}
    return frozenset(kept)


def from_celeba(
    row: Mapping[str, int], extra: Collection[str] = (), table: AttributeTable | None = None
) -> frozenset[str]:
    """The facts of one row of CelebA's 40 attributes (1 yes; -1 or 0 no).

    CelebA's "no" is often a missed "yes", so only these are told as absences: Male, Young (as "no longer young" it
    says too little to name an age), Smiling, Eyeglasses, Wearing_Hat. InputError for an unknown attribute.
    """
    words = vocabulary(table)
    strange = sorted(set(row) - set(words.celeba))
    if strange:
        raise InputError(f"unknown CelebA attributes: {', '.join(strange)}")
    facts = {words.celeba[name] for name, value in row.items() if value > 0}
    if row.get("Male", 1) <= 0:
        facts.add("female")
        facts -= {"clean_shaven", "sideburns", *words.facial_hair}
    if not facts.isdisjoint(words.facial_hair):
        facts.discard("clean_shaven")
    for name, fact in (("Smiling", "no_smile"), ("Eyeglasses", "no_glasses"), ("Wearing_Hat", "no_hat")):
        if row.get(name, 1) <= 0:
            facts.add(fact)
    return consistent(facts | {"adult"} | set(extra), table)
