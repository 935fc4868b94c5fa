"""Reads a caption back without the grammar: phrases looked up word by word, longest first.

It shares nothing with the generator but the names of the facts, so that it can prove what captions state. Every
content word must be accounted for: a word it does not know is an error, never silently skipped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from vl_backbone.common.errors import InputError
from vl_backbone.common.yaml_config import read_yaml


@dataclass(frozen=True)
class _Table:
    gender: tuple[tuple[re.Pattern[str], str], ...]
    phrases: re.Pattern[str]
    claims: tuple[frozenset[str], ...]
    silent: frozenset[str]


@functools.cache
def _table() -> _Table:
    rows = read_yaml(Path(__file__).with_name("claims.yaml"))
    gender = tuple((_words(words), fact) for fact, words in rows["gender"].items())
    entries = [(phrase, frozenset(facts.split())) for facts, phrases in rows["claims"].items() for phrase in phrases]
    # Python tries alternatives in order: longest first, so that "stops smiling" is read before "smiling".
    entries.sort(key=lambda entry: -len(entry[0]))
    phrases = re.compile(
        "|".join(rf"(?P<p{i}>(?<![\w-])(?:{phrase})(?![\w-]))" for i, (phrase, _) in enumerate(entries))
    )
    silent = frozenset(word for line in rows["silent"] for word in line.split())
    return _Table(gender, phrases, tuple(facts for _, facts in entries), silent)


def _words(words: Collection[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])")


_POSSESSIVE = re.compile(r"\b(?:his|her|their)\b")


def _read(caption: str) -> tuple[set[str], list[str]]:
    table = _table()
    text = caption.lower().replace("’", "'")
    said = {fact for pattern, fact in table.gender if pattern.search(text)}

    def take(match: re.Match[str]) -> str:
        said.update(table.claims[int((match.lastgroup or "p0")[1:])])
        return " "

    rest = table.phrases.sub(take, _POSSESSIVE.sub("poss", text))
    for pattern, _ in table.gender:
        rest = pattern.sub(" ", rest)
    return said, [word for word in re.findall(r"[\w'-]+", rest) if word not in table.silent]


def states(caption: str) -> frozenset[str]:
    """The facts a caption states; InputError for a caption with words outside the captions' English."""
    said, unread = _read(caption)
    if unread:
        raise InputError(f"the caption {caption!r} has words that are not understood: {', '.join(unread)}")
    return frozenset(said)


def unread_words(caption: str) -> list[str]:
    """The words of a caption that state nothing known."""
    return _read(caption)[1]


def untrue(caption: str, facts: Collection[str]) -> frozenset[str]:
    """The facts that a caption states but that are not among `facts`."""
    return states(caption) - set(facts)
