"""Sentences that tell a change instead of commanding it: 'the beard was shaved off and her hair has turned gray'."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fdvd.attributes.table import Bucket, attribute_table
from fdvd.language.instructions.english import article
from fdvd.language.instructions.lexicon import YEARS, Intents, compatible
from fdvd.language.instructions.persons import PERSONS, Person
from vl_backbone.common.yaml_config import read_yaml

LINKS = (" and ", " and ", ", and ", ", ", "; ", ", while ", " and also ", ", but ", ". ")
_ARTICLE = re.compile(r"\ba (\w+)")
_SLOT = re.compile(r"\[(\w+)\]")
# The clauses are written for one third person.
_PEOPLE = tuple(person for person in PERSONS if person.verb == "third")


@dataclass(frozen=True)
class Changes:
    """`changes.yaml`: words per slot; per attribute and sign the clauses with their intents; clauses about others."""

    words: dict[str, list[str]]
    clauses: dict[Bucket, list[tuple[str, Intents]]]
    nothing: list[str]


@functools.cache
def load_changes() -> Changes:
    """Raises ValueError for a clause with an unknown slot or attribute."""
    path = Path(__file__).with_name("changes.yaml")
    data = read_yaml(path)
    table: dict[Bucket, list[tuple[str, Intents]]] = {}
    for entry in data["clauses"]:
        intents = {name: float(value) for name, value in entry["is"].items()}
        name, value = next(iter(intents.items()))
        table.setdefault((name, 1 if value > 0 else -1), []).extend((text, intents) for text in entry["say"])
        if not intents.keys() <= set(attribute_table().names):
            raise ValueError(f"{path.name}: {sorted(intents)} are not all attributes")
    texts = [text for clauses in table.values() for text, _ in clauses] + data["nothing"]
    unknown = {slot for text in texts for slot in _SLOT.findall(text)} - data["words"].keys()
    if unknown:
        raise ValueError(f"{path.name}: no words for {', '.join(sorted(unknown))}")
    return Changes(data["words"], table, data["nothing"])


def tell(rng: Random, buckets: dict[Bucket, float], count: int) -> tuple[str, Intents]:
    """Up to `count` changes of one person that fit together, the attributes by weight -> sentence and its intents."""
    changes = load_changes()
    known = [bucket for bucket in buckets if bucket in changes.clauses]
    weights = [buckets[bucket] for bucket in known]
    person = rng.choice(_PEOPLE)
    parts: list[str] = []
    told: Intents = {}
    for _ in range(count * 3):
        text, intents = rng.choice(changes.clauses[rng.choices(known, weights)[0]])
        if len(parts) < count and compatible(intents, told):
            text, factor = _fill(text, person, rng, first=not parts)
            parts.append(text)
            told |= {name: value * factor for name, value in intents.items()}
    sentence = parts[0]
    for part in parts[1:]:
        sentence += rng.choice(LINKS) + part
    return sentence, told


def about_something_else(rng: Random) -> str:
    """A sentence in the same words that asks for nothing."""
    return _fill(rng.choice(load_changes().nothing), rng.choice(_PEOPLE), rng, first=True)[0]


def _fill(text: str, person: Person, rng: Random, first: bool) -> tuple[str, float]:
    """Fills slots, person and years -> text and the degree that the years mean."""
    words = load_changes().words
    text = _SLOT.sub(lambda slot: rng.choice(words[slot.group(1)]), text)
    text = _ARTICLE.sub(lambda found: article(found.group(1)), " ".join(text.split()))
    factor = 1.0
    if "$n" in text:
        years, factor = rng.choice(list(YEARS.items()))
        text = text.replace("$n", years)
    if first:
        text = text.replace("$subj", person.subj, 1)
    return person.fill(text), factor
