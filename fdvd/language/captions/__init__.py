"""Captions of faces and clips: facts -> English by a probabilistic context-free grammar, and the check of it."""

from fdvd.language.captions.checker import states, unread_words, untrue
from fdvd.language.captions.facts import FACTS, facts_of, from_celeba
from fdvd.language.captions.grammar import Caption, describe, describe_with_claims

__all__ = [
    "FACTS",
    "Caption",
    "describe",
    "describe_with_claims",
    "facts_of",
    "from_celeba",
    "states",
    "unread_words",
    "untrue",
]
