"""Reads ``phrases.yaml``: bare nouns, comparisons and exchanges of attributes."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from fdvd.attributes.table import attribute_table
from fdvd.language.instructions.lexicon import Intents

PHRASES_FILE = Path(__file__).with_name("phrases.yaml")


@dataclass(frozen=True)
class Phrases:
    """nouns: noun -> (article, what it asks for). never_removed: nouns that nobody asks to take away.

    compared: comparative -> what it asks for. instead: (what comes, what goes), pairs of attributes.
    """

    nouns: dict[str, tuple[str, Intents]]
    never_removed: frozenset[str]
    compared: dict[str, Intents]
    instead: tuple[tuple[str, str], ...]


@functools.cache
def load_phrases() -> Phrases:
    """Raises ValueError for an attribute or a noun that is not known."""
    data = yaml.safe_load(PHRASES_FILE.read_text(encoding="utf-8"))
    nouns = {noun: (row["article"], _intents(row["is"], noun)) for noun, row in data["nouns"].items()}
    compared = {word: _intents(meant, word) for word, meant in data["compared"].items()}
    instead = tuple((come, go) for come, go in data["instead"])
    for pair in instead:
        _known(pair, " for ".join(pair))
    strange = sorted(set(data["never_removed"]) - nouns.keys())
    if strange:
        raise ValueError(f"{PHRASES_FILE.name}: never_removed names {', '.join(strange)}, which are no nouns of it")
    return Phrases(nouns, frozenset(data["never_removed"]), compared, instead)


def _intents(meant: dict[str, float], where: str) -> Intents:
    _known(meant, where)
    return {name: float(value) for name, value in meant.items()}


def _known(names: Iterable[str], where: str) -> None:
    strange = sorted(set(names) - set(attribute_table().names))
    if strange:
        raise ValueError(f"{PHRASES_FILE.name}: {where!r} names {', '.join(strange)}, which the table does not hold")
