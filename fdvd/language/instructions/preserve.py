"""Clauses that say what must stay as it is: 'but keep the hair'."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from fdvd.attributes.table import AttributeTable, attribute_table


def keep_clause(intents: Collection[str], rng: Random, table: AttributeTable | None = None) -> str:
    """'but keep the hair': something the sentence does not touch otherwise."""
    kept = (table or attribute_table()).kept
    thing = rng.choice(list(kept))
    if not kept[thing].isdisjoint(intents):
        thing = "background"
    return rng.choice((
        f" but keep the {thing}", f", keep $poss {thing} as it is", f" but leave the {thing} alone",
        f" without changing the {thing}", f" and don't touch $poss {thing}", f", leave the {thing} unchanged",
        f" but don't change the {thing}", f" and keep the same {thing}", " but keep everything else the same",
        f", the {thing} stays", f" while keeping $poss {thing}",
    ))  # fmt: skip
