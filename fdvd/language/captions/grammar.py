"""The grammar engine: prunes the grammar to what is true of one face, samples derivations, spells them out.

Rules are in ``grammar.yaml``. For every face the productions whose claims are not among its facts are removed, then
all nonterminals that can no longer be finished: what is left is a context-free grammar of true sentences.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fdvd.language.captions.facts import FACTS
from fdvd.language.instructions.english import article, gerund
from fdvd.language.instructions.persons import HE, SHE, THEY, Person
from vl_backbone.common.errors import InputError
from vl_backbone.common.yaml_config import read_yaml

START = "S"
# A gender or an age may be named by noun, adjective and pronoun of one sentence; anything else is said once.
REPEATABLE = frozenset({"male", "female", "child", "teen", "slight_turn"})
_TRIES = 4000
_PRODUCTION = re.compile(r"(?:(?P<weight>[\d.]+)\* )?(?P<text>.*?)(?: \[(?P<marks>[^\]]*)\])?$")
_SYMBOL = re.compile(r"<([A-Z]+)>")


@dataclass(frozen=True, slots=True)
class Production:
    """One right-hand side.

    parts: literal texts at even places, names of nonterminals at odd ones. claims: facts it states.
    needs, bars: facts that must be true, must not be true, without being stated. topics: said at most once.
    """

    parts: tuple[str, ...]
    weight: float
    claims: frozenset[str]
    needs: frozenset[str]
    bars: frozenset[str]
    topics: frozenset[str]

    def allowed(self, facts: Collection[str]) -> bool:
        """Whether it is true of a face with these facts."""
        return (self.claims | self.needs).issubset(facts) and self.bars.isdisjoint(facts)


Rules = dict[str, list[Production]]


@dataclass(frozen=True, slots=True)
class Caption:
    """One sentence and the facts it was derived from."""

    text: str
    claims: frozenset[str]


@functools.cache
def rules() -> Rules:
    """The productions of ``grammar.yaml``, checked."""
    path = Path(__file__).with_name("grammar.yaml")
    table = read_yaml(path)
    grammar = {name: [_production(text, name) for text in texts] for name, texts in table.items()}
    for name, productions in grammar.items():
        missing = {symbol for p in productions for symbol in p.parts[1::2]} - set(grammar)
        if missing:
            raise ValueError(f"{name} uses the unknown nonterminals {sorted(missing)}")
    return grammar


def _production(text: str, name: str) -> Production:
    match = _PRODUCTION.match(text)
    if match is None:
        raise ValueError(f"bad production of {name}: {text!r}")
    marks = (match["marks"] or "").split()
    groups: dict[str, set[str]] = {"claims": set(), "?": set(), "?!": set(), "&": set()}
    for mark in marks:
        prefix = re.match(r"\?!|\?|&", mark)
        groups[prefix[0] if prefix else "claims"].add(mark[len(prefix[0]) :] if prefix else mark)
    unknown = (groups["claims"] | groups["?"] | groups["?!"]) - set(FACTS)
    if unknown:
        raise ValueError(f"{name}: {text!r} names the unknown facts {sorted(unknown)}")
    sets = [frozenset(groups[key]) for key in ("claims", "?", "?!", "&")]
    return Production(tuple(_SYMBOL.split(match["text"].strip('"'))), float(match["weight"] or 1), *sets)


def prune(facts: Collection[str]) -> Rules:
    """The grammar of the sentences that are true of a face with these facts."""
    live = {name: [p for p in productions if p.allowed(facts)] for name, productions in rules().items()}
    while True:
        empty = {name for name, productions in live.items() if not productions}
        kept = {name: [p for p in ps if empty.isdisjoint(p.parts[1::2])] for name, ps in live.items()}
        if kept == live:
            return live
        live = kept


@dataclass
class _Derivation:
    """A sentence under construction; `ok` turns false when a fact or topic comes twice."""

    said: set[str] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)
    ok: bool = True

    def expand(self, symbol: str, grammar: Rules, rng: Random) -> str:
        """The text of one random derivation of `symbol`."""
        productions = grammar[symbol]
        chosen = rng.choices(productions, [p.weight for p in productions])[0]
        if self.topics & chosen.topics or self.said & (chosen.claims - REPEATABLE):
            self.ok = False
        self.topics |= chosen.topics
        self.said |= chosen.claims
        if not self.ok:
            return ""
        return "".join(
            self.expand(part, grammar, rng) if i % 2 else part for i, part in enumerate(chosen.parts) if i % 2 or part
        )


def _spell(text: str, claims: Collection[str]) -> str:
    """Fills pronouns, verb forms and articles, and makes it a sentence."""
    person = HE if "male" in claims else SHE if "female" in claims else THEY
    text = person.fill(text)
    text = re.sub(r"\^([^,~^]*)", lambda m: gerund(m[1].rstrip()) + " " * m[1].endswith(" "), text)
    text = re.sub(r"\ba_ ((?:\S+))", lambda m: article(m[1]), text)
    words: list[str] = []
    plural = False
    for word in text.split():
        plural = word == "they" or (plural and word != "who")
        if word.startswith("~"):
            agreeing = Person("they", "them", "their", "plural") if plural else HE
            bare = word[1:].rstrip(",")
            word = agreeing.conjugate(bare + " ").strip() + word[1 + len(bare) :]
        words.append(word)
    sentence = " ".join(words)
    return sentence[0].upper() + sentence[1:] + "."


def describe_with_claims(facts: Collection[str], seed: int, count: int = 10) -> list[Caption]:
    """`count` different sentences about a face or clip with these facts; the same arguments give the same sentences.

    Raises InputError when a fact is unknown.
    """
    strange = sorted(set(facts) - set(FACTS))
    if strange:
        raise InputError(f"unknown facts: {', '.join(strange)}; fdvd.language.captions.FACTS lists them")
    grammar = prune(facts)
    rng = Random(seed)
    captions: dict[str, Caption] = {}
    for attempt in range(_TRIES):
        derivation = _Derivation()
        text = derivation.expand(START, grammar, rng)
        # "A man." is true but says nothing: it is the way out only for faces of which little is known.
        wanted = 2 if attempt < _TRIES // 2 else 0
        if derivation.ok and len(derivation.said - {"male", "female"}) >= wanted:
            spelled = _spell(text, derivation.said)
            captions.setdefault(spelled.lower(), Caption(spelled, frozenset(derivation.said)))
        if len(captions) == count:
            return list(captions.values())
    raise InputError(f"only {len(captions)} different captions can be made from the facts {sorted(facts)}")


def describe(facts: Collection[str], seed: int, count: int = 10) -> list[str]:
    """The sentences of `describe_with_claims` as plain strings."""
    return [caption.text for caption in describe_with_claims(facts, seed, count)]
