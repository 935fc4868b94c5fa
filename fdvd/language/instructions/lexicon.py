"""Turns ``lexicon.yaml`` into ready-made surface forms, one bucket per attribute and sign."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdvd.attributes.table import AttributeTable, Bucket, attribute_table
from fdvd.language.instructions.english import gerund
from vl_backbone.common.yaml_config import read_yaml

Intents = dict[str, float]

MILD = (
    "a bit",
    "slightly",
    "a little",
    "somewhat",
    "a touch",
    "a little bit",
    "kind of",
    "a tad",
    "just a bit",
)
STRONG = ("very", "really", "extremely", "super", "so", "incredibly")
STRONG_CMP = ("much", "a lot", "way", "far", "so much", "considerably", "significantly")
YEARS = (
    dict.fromkeys(("a few", "a couple of", "3", "five", "5"), 0.5)
    | dict.fromkeys(("10", "ten", "15", "fifteen", "20", "twenty", "25"), 1.0)
    | dict.fromkeys(("30", "thirty", "40", "forty", "50", "fifty", "many"), 1.5)
)
KINDS = ("np", "adj", "vp", "imp", "noun", "bare", "nonp", "notadj", "novp")
POSITIVE_KEYS = frozenset({"np", "adj", "cmp", "cmpnp", "vp", "imp", "noun", "bare"})
_KEYS = POSITIVE_KEYS | {"is", "neg", "rm", "verb", "grad"}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say one intent.

    Attributes:
        kind: Syntactic role, one of ``KINDS``.
        text: The words, with ``$subj``, ``$obj`` and ``$poss`` for the person.
        intents: Signed intents the words carry.
        worn: Whether the thing is worn rather than had (noun phrases).
        weight: Relative frequency inside its bucket.
    """

    kind: str
    text: str
    intents: Intents
    worn: bool = False
    weight: float = 1.0


@functools.cache
def load() -> dict[Bucket, list[Form]]:
    """All surface forms of the lexicon, by primary attribute and sign."""
    path = Path(__file__).with_name("lexicon.yaml")
    buckets: dict[Bucket, list[Form]] = defaultdict(list)
    for entry in read_yaml(path):
        _check(entry)
        for form in _expand(entry):
            name, value = next(iter(form.intents.items()))
            buckets[name, 1 if value > 0 else -1].append(form)
    return dict(buckets)


def _check(entry: dict[str, Any]) -> None:
    strange = entry.keys() - _KEYS
    names = set(entry["is"]) | set(entry.get("neg") or {})
    wrong = [item for key in POSITIVE_KEYS | {"rm"} for item in entry.get(key, ()) if not isinstance(item, str)]
    if strange or wrong or not names <= set(attribute_table().names):
        raise ValueError(f"bad lexicon entry {entry['is']}: {strange or wrong or names}")


def _scaled(intents: Intents, factor: float) -> Intents:
    return {name: max(-1.5, min(1.5, value * factor)) for name, value in intents.items()}


def _degrees(text: str, intents: Intents, kind: str, strong: tuple[str, ...]) -> list[Form]:
    """The phrase plain, mild and strong; degrees go inside the article ('a slightly bigger nose')."""
    forms = [Form(kind, text, intents)]
    head, body = text.split(" ", 1) if text.startswith(("a ", "an ")) else ("", text)
    plain = not body.startswith(("less ", "fewer "))
    mild: tuple[str, ...] = MILD
    if head:
        mild, strong = ("slightly", "somewhat", "marginally"), ("much", "far", "significantly")
    elif not plain or body.startswith("fewer"):
        mild, strong = ("a bit", "slightly", "a little", "somewhat"), ("much", "a lot", "far", "way")
    for factor, words in ((0.5, mild), (1.5, strong)):
        if body.startswith("fewer"):
            words = ("somewhat",) if factor < 1 else ("far", "way")
        for word in words:
            phrase = f"a {word} {body}" if head else f"{word} {body}"
            forms.append(Form(kind, phrase, _scaled(intents, factor), weight=0.45 / len(words)))
    return forms


def _years(kind: str, text: str, intents: Intents) -> list[Form]:
    """A phrase with a number of years in place of ``$n``; many years are a large degree."""
    return [
        Form(kind, text.replace("$n", words), _scaled(intents, factor), weight=1.5 / len(YEARS))
        for words, factor in YEARS.items()
    ]


def _bare(phrase: str) -> str:
    return phrase.split(" ", 1)[1] if phrase.startswith(("a ", "an ", "some ", "the ")) else phrase


def _expand(entry: dict[str, Any]) -> list[Form]:
    """Every form of one entry: positive phrasings, degrees, and negated ones."""
    intents: Intents = {name: float(value) for name, value in entry["is"].items()}
    worn = entry.get("verb") == "wear"
    forms = [Form("np", text, intents, worn) for text in entry.get("np", ())]
    for text in entry.get("adj", ()):
        forms += _degrees(text, intents, "adj", STRONG) if entry.get("grad") else [Form("adj", text, intents)]
    for text in entry.get("cmp", ()):
        forms += _degrees(text, intents, "adj", STRONG_CMP)
    for text in entry.get("cmpnp", ()):
        forms += [Form("np", f.text, f.intents, worn, f.weight) for f in _degrees(text, intents, "np", STRONG_CMP)]
    for kind in ("vp", "imp", "noun", "bare"):
        for text in entry.get(kind, ()):
            forms += _years(kind, text, intents) if "$n" in text else [Form(kind, text, intents)]
    negated = entry.get("neg", {name: -value for name, value in intents.items()})
    return forms if negated is None else forms + _negated(entry, dict(negated), worn)


def _negated(entry: dict[str, Any], intents: Intents, worn: bool) -> list[Form]:
    half = _scaled(intents, 0.5)
    nouns = [noun for noun in map(_bare, entry.get("np", ())) if "$" not in noun]
    nouns = [noun for noun in nouns if not noun.startswith(("no ", "pair of ", "hint of ", "bit of "))]
    forms = [Form("nonp", text, intents, worn, 2.5) for text in entry.get("rm", ())]
    forms += [Form("nonp", text, intents, worn, 0.5) for text in nouns]
    for text in (text for text in entry.get("adj", ()) if not text.startswith(("not ", "less "))):
        forms.append(Form("novp", f"look {text}", intents, weight=0.15))
        forms.append(Form("notadj", f"not {text}", intents))
        forms += [Form("notadj", f"{words} {text}", intents, weight=0.3) for words in ("no longer", "not at all")]
        if entry.get("grad"):
            forms.append(Form("notadj", f"less {text}", intents, weight=0.5))
            forms += [Form("notadj", f"{word} less {text}", half, weight=0.15) for word in ("a bit", "slightly")]
            forms.append(Form("notadj", f"not so {text}", intents, weight=0.3))
    forms += [Form("novp", text, intents, weight=0.4) for text in entry.get("vp", ())]
    forms += [Form("bare", f"not {gerund(text)}", intents, weight=0.3) for text in entry.get("vp", ())]
    return forms


@functools.cache
def hair_combinations(table: AttributeTable | None = None) -> list[Form]:
    """'long curly red hair' and the like: two or three of the table's hair words in one noun phrase."""
    rows = table or attribute_table()
    kinds: list[list[tuple[str, Intents]]] = []
    for group in ("hair_length", "hair_texture", "hair_color"):
        told = [(word, name, sign) for name in rows.in_group(group) for word, sign in rows[name].hair_words]
        kinds.append([("", {}), *((word, {name: float(sign)}) for word, name, sign in told)])
    forms = []
    for parts in itertools.product(*kinds):
        words = [word for word, _ in parts if word]
        if len(words) > 1:
            intents: Intents = {}
            for _, part in parts:
                intents |= part
            forms.append(Form("np", (", " if len(words) == 3 else " ").join(words) + " hair", intents))
    return forms


def signs(intents: Intents) -> set[Bucket]:
    """The attribute and sign of each intent."""
    return {(name, 1 if value > 0 else -1) for name, value in intents.items() if value}


def compatible(one: Intents, other: Intents, table: AttributeTable | None = None) -> bool:
    """Whether two wishes fit in one sentence: no axis in common and no clash between axes."""
    if one.keys() & other.keys():
        return False
    conflicts, wanted = (table or attribute_table()).conflicts, signs(other)
    return all(conflicts.get(bucket, frozenset()).isdisjoint(wanted) for bucket in signs(one))
