"""The hand-written sentences that judge a text mapper (never used for training)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fdvd.attributes.table import attribute_table
from vl_backbone.common.yaml_config import read_yaml

GROUPS = ("neg", "multi", "degree", "single", "neutral")


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A sentence, the signs it must produce, and the attributes that may move besides.

    Attributes:
        text: What a user typed.
        group: One of ``GROUPS``.
        want: Attribute -> +1 or -1. Everything in neither ``want`` nor ``may`` must stay near 0.
        may: Attributes that may move either way.
    """

    text: str
    group: str
    want: dict[str, int]
    may: frozenset[str]


def load_heldout() -> list[HeldOut]:
    """All held-out sentences in file order."""
    path = Path(__file__).with_name("heldout.yaml")
    loaded = read_yaml(path)
    if tuple(loaded) != GROUPS:
        raise ValueError(f"{path.name}: the groups must be {', '.join(GROUPS)}")
    sentences = []
    for group, rows in loaded.items():
        for row in rows:
            want = {word[1:]: {"+": 1, "-": -1}[word[0]] for word in row.get("want", "").split()}
            may = frozenset(row.get("any", "").split())
            if not (want.keys() | may) <= set(attribute_table().names) or want.keys() & may:
                raise ValueError(f"{path.name}: bad attributes for {row['text']!r}")
            sentences.append(HeldOut(row["text"], group, want, may))
    return sentences
