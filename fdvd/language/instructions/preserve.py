"""Clauses that say what must stay as it is: 'but keep the hair'."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

_KEPT: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (text, frozenset(axes.split()))
    for text, axes in (
        (
            "hair",
            "black_hair brown_hair blond_hair red_hair gray_hair bald receding "
            "straight_hair wavy_hair curly_hair long_hair bangs",
        ),
        ("hairstyle", "bald straight_hair wavy_hair curly_hair long_hair bangs receding"),
        ("hair color", "black_hair brown_hair blond_hair red_hair gray_hair bald"),
        ("glasses", "glasses sunglasses"),
        ("beard", "beard goatee stubble"),
        ("expression", "smile teeth frown"),
        ("age", "age child wrinkles"),
        ("smile", "smile teeth frown"),
        ("hat", "hat"),
        ("mustache", "mustache"),
        ("makeup", "makeup lipstick"),
        ("gender", "male"),
        ("skin tone", "pale dark_skin"),
        ("earrings", "earrings"),
        ("background", ""),
        ("pose", "look_left look_right"),
        ("clothes", ""),
        ("identity", ""),
        ("eye color", ""),
        ("lighting", ""),
        ("nose", "big_nose pointy_nose"),
        ("eyebrows", "bushy_brows arched_brows"),
        ("rest", ""),
        ("eyes", "narrow_eyes wide_eyes bags"),
        ("sunglasses", "glasses sunglasses"),
    )
)


def keep_clause(intents: Collection[str], rng: Random) -> str:
    """'but keep the hair': something the sentence does not touch otherwise."""
    thing, axes = rng.choice(_KEPT)
    if not axes.isdisjoint(intents):
        thing = "background"
    return rng.choice((
        f" but keep the {thing}", f", keep $poss {thing} as it is", f" but leave the {thing} alone",
        f" without changing the {thing}", f" and don't touch $poss {thing}", f", leave the {thing} unchanged",
        f" but don't change the {thing}", f" and keep the same {thing}", " but keep everything else the same",
        f", the {thing} stays", f" while keeping $poss {thing}",
    ))  # fmt: skip
