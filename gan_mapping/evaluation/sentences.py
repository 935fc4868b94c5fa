"""The benchmark's sentences: what is said, what the judge must read afterwards, what may change along with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdvd.attributes.table import attribute_table
from vl_backbone.common.errors import InputError
from vl_backbone.common.yaml_config import read_yaml

SENTENCES_FILE = Path(__file__).parent / "sentences.yaml"
GROUPS = ("single", "composite", "removal")
FIGURATIVE, NOTHING, SHEET = "figurative", "nothing", "sheet"


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
        """Whether the edit should leave age, gender and skin alone; else identity distance says nothing of it."""
        table = attribute_table()
        return not any(table[name].changes_person for name, _ in self.targets)

    @property
    def mentioned(self) -> frozenset[str]:
        """What the edit may change: targets and what comes with them."""
        return self.may | {name for name, _ in self.targets}


@dataclass(frozen=True)
class SentenceFile:
    """What a file of sentences holds.

    drawn: asked of every face, by GROUPS. Read but not drawn: figurative, and nothing, which asks for no edit.
    sheet: for the contact sheet.
    """

    drawn: tuple[EditSentence, ...]
    figurative: tuple[EditSentence, ...]
    nothing: tuple[str, ...]
    sheet: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        """Everything that is read."""
        return [*(s.text for s in (*self.drawn, *self.figurative)), *self.nothing]


def load_sentences(path: Path = SENTENCES_FILE) -> SentenceFile:
    """The sentences of a YAML file of lists by group; InputError names the row or group that is wrong.

    GROUPS and FIGURATIVE hold rows with `text`, `want` and `may`, NOTHING rows with `text`, SHEET plain sentences.
    At least one of GROUPS must hold something.
    """
    loaded = _read(path)
    drawn = [_sentence(row, group, path) for group in GROUPS for row in loaded.get(group, [])]
    if not drawn:
        raise InputError(f"{path.name} holds no sentence to draw; add some to {', '.join(GROUPS)}.")
    figurative = [_sentence(row, FIGURATIVE, path) for row in loaded.get(FIGURATIVE, [])]
    nothing = [_text(row, NOTHING, path) for row in loaded.get(NOTHING, [])]
    sheet = [_text({"text": text}, SHEET, path) for text in loaded.get(SHEET, [])]
    return SentenceFile(tuple(drawn), tuple(figurative), tuple(nothing), tuple(sheet))


def _sentence(row: Any, group: str, path: Path) -> EditSentence:
    text = _text(row, group, path, also=("want", "may"))
    try:
        targets = tuple((word[1:], {"+": 1, "-": -1}[word[0]]) for word in row["want"].split())
        sentence = EditSentence(text, group, targets, frozenset(row["may"].split()))
    except (KeyError, AttributeError):
        raise InputError(
            f"{path.name}: {text!r} needs want (attributes with + or -) and may (attributes), both as text."
        ) from None
    strange = sorted(sentence.mentioned - set(attribute_table().names))
    if strange or not targets:
        raise InputError(f"{path.name}: {text!r} names {', '.join(strange) or 'no target'}.")
    return sentence


def _text(row: Any, group: str, path: Path, also: Sequence[str] = ()) -> str:
    """The row's sentence, when the row holds that, and `also`, and nothing else."""
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str) or not text.strip() or not set(row) <= {"text", *also}:
        fields = ", ".join(("text", *also))
        raise InputError(f"{path.name}: {group} holds a row that cannot be read: {row!r}; it takes {fields}.")
    return text


def _read(path: Path) -> dict[str, list[Any]]:
    loaded = read_yaml(path, InputError)
    groups = (*GROUPS, FIGURATIVE, NOTHING, SHEET)
    if not isinstance(loaded, dict) or not all(isinstance(rows, list) for rows in loaded.values()):
        raise InputError(f"{path.name} must hold lists by group: {', '.join(groups)}.")
    unknown = [str(group) for group in loaded if group not in groups]
    if unknown:
        raise InputError(f"{path.name}: unknown groups: {', '.join(unknown)}; there are {', '.join(groups)}.")
    return loaded
