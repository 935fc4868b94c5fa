"""What captions can say: a vocabulary of facts, and how labels become facts.

A *fact* is one plain truth about a picture or clip, such as ``wavy_hair`` or ``turns_left``. A face is a set of
facts; what is not in the set is either false or unknown and is never said. Left and right are the viewer's, as in
the labelling guide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fdvd.language.instructions.lexicon import CONFLICTS
from vl_backbone.common.errors import InputError

GENDERS = ("male", "female")
AGES = ("child", "teen", "young", "middle_aged", "old")
HAIR_COLORS = ("black_hair", "brown_hair", "blond_hair", "red_hair", "gray_hair")
HAIR_TEXTURES = ("straight_hair", "wavy_hair", "curly_hair")
HAIR_LENGTHS = ("short_hair", "medium_hair", "long_hair")
FACIAL_HAIR = ("beard", "mustache", "stubble", "goatee")
MOUTH = ("smile", "broad_smile", "closed_smile", "no_smile", "frown", "mouth_open", "mouth_closed")
POSE = ("look_left", "look_right", "frontal")
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
FACTS: tuple[str, ...] = (
    *GENDERS,
    *AGES,
    "adult",
    "minor",
    *HAIR_COLORS,
    *HAIR_TEXTURES,
    *HAIR_LENGTHS,
    "bald",
    "receding",
    "bangs",
    *MOUTH,
    "glasses",
    "sunglasses",
    "no_glasses",
    "hat",
    "no_hat",
    "earrings",
    "necklace",
    "necktie",
    "lipstick",
    "makeup",
    "no_makeup",
    *FACIAL_HAIR,
    "clean_shaven",
    "sideburns",
    "rosy",
    "pale",
    "tan",
    "dark_skin",
    "chubby",
    "thin",
    "doublechin",
    "bags",
    "wrinkles",
    "oval_face",
    "cheekbones",
    "bushy_brows",
    "arched_brows",
    "narrow_eyes",
    "wide_eyes",
    "big_nose",
    "pointy_nose",
    "big_lips",
    "asian",
    "attractive",
    "blurry",
    *POSE,
    *EMOTIONS,
    "strong_emotion",
    *VOICE,
    *MOTIONS,
)
"""Every fact. ``adult`` and ``minor`` only choose nouns (man or boy); no caption states them."""

_SAME_NAME = frozenset(FACTS) - {"child", "male", "frontal"}
# Of these only the first holds, in the order of the vocabulary.
_EXCLUSIVE: tuple[Collection[str], ...] = (
    GENDERS,
    AGES,
    ("adult", "minor"),
    *((age, "minor") for age in AGES[2:]),
    *((age, "adult") for age in AGES[:2]),
    HAIR_COLORS,
    HAIR_TEXTURES,
    HAIR_LENGTHS,
    POSE,
    EMOTIONS,
    VOICE,
    ("glasses", "no_glasses"),
    ("sunglasses", "no_glasses"),
    ("hat", "no_hat"),
    ("lipstick", "no_makeup"),
    ("makeup", "no_makeup"),
    *((hair, "clean_shaven") for hair in FACIAL_HAIR),
    *(("smile", other) for other in ("no_smile", "frown")),
    *(("broad_smile", other) for other in ("no_smile", "frown", "closed_smile", "mouth_closed")),
    ("closed_smile", "mouth_open"),
    ("mouth_open", "mouth_closed"),
    ("pale", "tan", "dark_skin"),
    ("turns_left", "turns_right", "turns_to_camera", "keeps_still"),
    ("looks_up", "looks_down", "keeps_still"),
    ("starts_smile", "stops_smile", "keeps_still"),
    ("opens_mouth", "closes_mouth", "keeps_still"),
)
# The first makes the others untrue or unseen.
_HIDES: dict[str, Collection[str]] = {
    "bald": (*HAIR_COLORS, *HAIR_TEXTURES, *HAIR_LENGTHS, "bangs", "receding"),
    "bangs": ("receding",),
    "sunglasses": ("glasses", "narrow_eyes", "wide_eyes", "bags"),
    "beard": ("stubble",),
    "goatee": ("stubble",),
    "hat": ("receding",),
    "female": FACIAL_HAIR,
}

_CELEBA: dict[str, str] = {
    "5_o_Clock_Shadow": "stubble",
    "Arched_Eyebrows": "arched_brows",
    "Attractive": "attractive",
    "Bags_Under_Eyes": "bags",
    "Bald": "bald",
    "Bangs": "bangs",
    "Big_Lips": "big_lips",
    "Big_Nose": "big_nose",
    "Black_Hair": "black_hair",
    "Blond_Hair": "blond_hair",
    "Blurry": "blurry",
    "Brown_Hair": "brown_hair",
    "Bushy_Eyebrows": "bushy_brows",
    "Chubby": "chubby",
    "Double_Chin": "doublechin",
    "Eyeglasses": "glasses",
    "Goatee": "goatee",
    "Gray_Hair": "gray_hair",
    "Heavy_Makeup": "makeup",
    "High_Cheekbones": "cheekbones",
    "Male": "male",
    "Mouth_Slightly_Open": "mouth_open",
    "Mustache": "mustache",
    "Narrow_Eyes": "narrow_eyes",
    "No_Beard": "clean_shaven",
    "Oval_Face": "oval_face",
    "Pale_Skin": "pale",
    "Pointy_Nose": "pointy_nose",
    "Receding_Hairline": "receding",
    "Rosy_Cheeks": "rosy",
    "Sideburns": "sideburns",
    "Smiling": "smile",
    "Straight_Hair": "straight_hair",
    "Wavy_Hair": "wavy_hair",
    "Wearing_Earrings": "earrings",
    "Wearing_Hat": "hat",
    "Wearing_Lipstick": "lipstick",
    "Wearing_Necklace": "necklace",
    "Wearing_Necktie": "necktie",
    "Young": "young",
}
CELEBA_ATTRIBUTES: tuple[str, ...] = tuple(_CELEBA)
"""CelebA's 40 attributes, in the order of its attribute file."""


def facts_of(labels: Mapping[str, float | None], extra: Collection[str] = ()) -> frozenset[str]:
    """The consistent facts behind values per attribute (names of `fdvd.attributes.table`; missing or None: unknown).

    A value above 0.5 is "yes", 0 to 0.5 "no"; ``age`` runs from 0 (child) to 1 (old) and ``long_hair`` from
    0 (short) to 1 (long). `extra` holds further facts by name (``tan``, ``turns_left``, ``happy``, ...).
    """
    strange = sorted(set(extra) - set(FACTS))
    if strange:
        raise InputError(f"unknown facts: {', '.join(strange)}; fdvd.language.captions.FACTS lists them")
    facts = {name for name, value in labels.items() if name in _SAME_NAME and value is not None and value > 0.5}
    facts -= {"long_hair"}
    facts |= _person(labels) | _mouth(labels) | _absences(labels)
    length = labels.get("long_hair")
    if length is not None:
        facts.add("short_hair" if length < 0.25 else "medium_hair" if length < 0.75 else "long_hair")
    if labels.get("look_left") == 0 and labels.get("look_right") == 0:
        facts.add("frontal")
    return consistent(facts | set(extra))


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


def _absences(labels: Mapping[str, float | None]) -> set[str]:
    def absent(*names: str) -> bool:
        return all(labels.get(name) == 0 for name in names)

    facts = set()
    if absent("glasses", "sunglasses"):
        facts.add("no_glasses")
    if absent("hat"):
        facts.add("no_hat")
    if absent("makeup", "lipstick"):
        facts.add("no_makeup")
    if absent(*FACIAL_HAIR) and labels.get("male") == 1 and (labels.get("age") or 0) > 0.35:
        facts.add("clean_shaven")
    return facts


def consistent(facts: Collection[str]) -> frozenset[str]:
    """The facts without those that contradict or are hidden by others (a bald head has no wavy hair)."""
    kept = set(facts)
    for strong, hidden in _HIDES.items():
        if strong in kept:
            kept -= set(hidden)
    for group in _EXCLUSIVE:
        kept -= set([name for name in FACTS if name in kept and name in group][1:])
    for name in FACTS:  # in vocabulary order, so that the outcome does not depend on set order
        if name in kept:
            kept -= {other for other, sign in CONFLICTS.get((name, 1), ()) if sign > 0 and other != name}
    return frozenset(kept)


def from_celeba(row: Mapping[str, int], extra: Collection[str] = ()) -> frozenset[str]:
    """The facts of one row of CelebA's 40 attributes (1 yes; -1 or 0 no).

    CelebA's "no" is often a missed "yes", so only these are told as absences: Male, Young (as "no longer young" it
    says too little to name an age), Smiling, Eyeglasses, Wearing_Hat. InputError for an unknown attribute.
    """
    strange = sorted(set(row) - set(_CELEBA))
    if strange:
        raise InputError(f"unknown CelebA attributes: {', '.join(strange)}")
    facts = {_CELEBA[name] for name, value in row.items() if value > 0}
    if row.get("Male", 1) <= 0:
        facts.add("female")
        facts -= {"clean_shaven", "sideburns", *FACIAL_HAIR}
    if facts & {"beard", *FACIAL_HAIR}:
        facts.discard("clean_shaven")
    for name, fact in (("Smiling", "no_smile"), ("Eyeglasses", "no_glasses"), ("Wearing_Hat", "no_hat")):
        if row.get(name, 1) <= 0:
            facts.add(fact)
    return consistent(facts | {"adult"} | set(extra))
