"""The benchmark's sentences: what is said, what the judge must read afterwards, what may change along with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from fdvd.attributes import ATTRIBUTES
from vl_backbone.errors import InputError

SENTENCES_FILE = Path(__file__).parent / "sentences.yaml"
GROUPS = ("single", "composite", "removal")
FIGURATIVE = "figurative"
# Whoever asks for these asks for another looking person: their identity distance says nothing about keeping one.
CHANGES_PERSON = frozenset({"age", "child", "male", "pale", "dark_skin", "rosy", "asian"})


@dataclass(frozen=True)
class EditSentence:
    """A sentence of the benchmark.

    group: one of GROUPS, or FIGURATIVE. targets: (attribute, +1 or -1), all of which must hold after the edit.
    may: attributes whose change is no leakage.
    """

    text: str
    group: str
    targets: tuple[tuple[str, int], ...]
    may: frozenset[str]

    @property
    def keeps_person(self) -> bool:
        """Whether the edit should leave age, gender and skin alone."""
        return not any(name in CHANGES_PERSON for name, _ in self.targets)

    @property
    def mentioned(self) -> frozenset[str]:
        """What the edit may change: targets and what comes with them."""
        return self.may | {name for name, _ in self.targets}


def load_sentences(path: Path = SENTENCES_FILE, groups: Sequence[str] = GROUPS) -> list[EditSentence]:
    """The sentences of those groups; InputError names the row that is wrong."""
    sentences = []
    loaded = _read(path)
    for group in groups:
        for row in loaded.get(group, []):
            try:
                targets = tuple((word[1:], {"+": 1, "-": -1}[word[0]]) for word in row["want"].split())
                sentence = EditSentence(row["text"], group, targets, frozenset(row["may"].split()))
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(f"{path.name}: {group} holds a row that cannot be read: {row!r} ({error}).") from None
            strange = sorted(sentence.mentioned - set(ATTRIBUTES))
            if strange or not targets:
                raise InputError(f"{path.name}: {sentence.text!r} names {', '.join(strange) or 'no target'}.")
            sentences.append(sentence)
    return sentences


def sheet_sentences(path: Path = SENTENCES_FILE) -> list[str]:
    """The sentences of the contact sheet."""
    return [str(text) for text in _read(path).get("sheet", [])]


def _read(path: Path) -> dict[str, list[dict[str, str]]]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The sentences {path} cannot be read: {error}.") from None
    if not isinstance(loaded, dict) or not all(isinstance(rows, list) for rows in loaded.values()):
        raise InputError(f"{path.name} must hold lists by group: {', '.join(GROUPS)}, sheet.")
    return loaded
