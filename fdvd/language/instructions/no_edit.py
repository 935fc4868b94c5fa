"""Sentences that ask for no edit, and the surface noise (case, typos, full stops) that all sentences get."""

from __future__ import annotations

import functools
from pathlib import Path
from random import Random
from typing import Any

from fdvd.language.instructions.english import article
from vl_backbone.common.yaml_config import read_yaml

_GROUPS = ("frames", "traps", "photo", "person", "talk", "keeps", "gibberish")
_GROUP_CUM = (0.36, 0.52, 0.60, 0.74, 0.87, 0.985, 1.0)


@functools.cache
def data() -> dict[str, Any]:
    """The lists of ``neutral.yaml``."""
    path = Path(__file__).with_name("neutral.yaml")
    loaded: dict[str, list[str]] = read_yaml(path)
    for name, items in loaded.items():
        wrong = [item for item in items if not isinstance(item, str)]
        if wrong:
            raise ValueError(f"{path.name}: {name} holds {wrong}, which are not text")
    return loaded


def sentence(rng: Random) -> str:
    """One sentence without any intent."""
    group = rng.choices(_GROUPS, cum_weights=_GROUP_CUM)[0]
    if group == "gibberish":
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(rng.randint(1, 4))]
        return " ".join(words)
    text: str = rng.choice(data()[group])
    if group == "frames":
        text = _frame(text, rng)
    elif group == "keeps":
        thing, other = rng.choice(data()["things"]), rng.choice(data()["things"])
        text = text.format(t=thing, u=other, p=rng.choice(("her", "his", "their", "my", "the")))
    return finish(text, rng)


def _frame(frame: str, rng: Random) -> str:
    topic, other = rng.choice(data()["topics"]), rng.choice(data()["topics"])
    quality = rng.choice(data()["qualities"])
    return frame.format(
        a=topic, b=other, q=quality, aA=article(topic), aB=article(other), aQA=article(f"{quality} {topic}")
    )


def _typo(text: str, rng: Random) -> str:
    """One slip of the finger in a long word."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    index = rng.choice(long)
    word, at = words[index], rng.randrange(1, len(words[index]) - 1)
    words[index] = rng.choice((
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ))  # fmt: skip
    return " ".join(words)


def finish(text: str, rng: Random) -> str:
    """Capitals, final stops, dropped apostrophes and rare typos, as people type them."""
    roll = rng.random()
    if roll < 0.04:
        text = _typo(text, rng)
    elif roll < 0.055:
        text = text.replace("n't", "nt")
    roll = rng.random()
    if roll < 0.45:
        text = text[:1].upper() + text[1:]
    elif roll < 0.47:
        text = text.upper()
    elif roll < 0.53:
        text = text.lower()
    roll = rng.random()
    if text[-1:] not in ".?!;)" and roll < 0.45:
        text += "." if roll < 0.4 else "!"
    return text
