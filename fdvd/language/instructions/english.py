"""The little English morphology that the grammar needs: articles, verb forms, lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

_AN = re.compile(r"(?:[aeio]|u(?!ni|se|ti|ro|k)|unin|unim|hour|honest|heir|8\d|11\b|18\b)", re.IGNORECASE)
_A = re.compile(r"(?:one\b|once|eu)", re.IGNORECASE)
_IRREGULAR = {"be": "is", "have": "has", "do": "does", "go": "goes"}
_GERUND = {"be": "being", "lie": "lying", "age": "ageing", "dye": "dyeing"}
_DOUBLED = re.compile(r"(?:put|get|stop|cut|grin|let|crop|shut|slim|drop|quit|begin|trim|forget|skip|chop|tan)$")
_MASS = re.compile(
    r"\b(?:hair|skin|makeup|make-up|jewell?e?ry|stubble|scruff|lipstick|gloss|mascara|eyeliner|eye shadow"
    r"|eyewear|headgear|redness|paleness|fat|puffiness|foundation|colour|growth|laughter|weight|flab|loss|squint)\b"
)
_PREPOSITION = re.compile(r" (?:on|under|of|below|around|in|over|with|that) ")


def article(phrase: str) -> str:
    """The phrase with the indefinite article that its sound asks for."""
    return f"an {phrase}" if _AN.match(phrase) and not _A.match(phrase) else f"a {phrase}"


def indefinite(noun: str) -> str:
    """The noun phrase with an article if it is one countable thing: 'a hat', 'glasses', 'red hair'."""
    head = _PREPOSITION.split(noun, maxsplit=1)[0]
    mass = _MASS.search(head) and not head.endswith(("line", "face", "chin", "mood"))
    return noun if mass or head.endswith("s") else article(noun)


def third_person(phrase: str) -> str:
    """'put on a hat' -> 'puts on a hat'."""
    verb, _, rest = phrase.partition(" ")
    if verb in _IRREGULAR:
        verb = _IRREGULAR[verb]
    elif verb.endswith(("s", "sh", "ch", "x", "z")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}".rstrip()


def gerund(phrase: str) -> str:
    """'take off the hat' -> 'taking off the hat'."""
    verb, _, rest = phrase.partition(" ")
    if verb in _GERUND:
        verb = _GERUND[verb]
    elif _DOUBLED.match(verb):
        verb += verb[-1] + "ing"
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1] + "ing"
    else:
        verb += "ing"
    return f"{verb} {rest}".rstrip()


def enumerate_words(parts: Sequence[str], last: str = " and ") -> str:
    """'a, b and c'."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + last + parts[-1]
