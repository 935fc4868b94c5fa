"""A plain folder of aligned faces with sentences beside them, in any of three simple forms.

* ``captions.jsonl``: one object a line, ``{"image": "a.jpg", "captions": ["...", ...], "split": "train"}``
  (or ``"caption": "..."``; ``split`` may be left out);
* ``captions.txt``: ``NAME.jpg<TAB>sentence`` a line, a picture may have several lines;
* ``NAME.txt`` beside ``NAME.jpg``, one sentence a line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of

JSONL_FILE, TEXT_FILE = "captions.jsonl", "captions.txt"
PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp"))
_MAX_BYTES = 1 << 28
_MAX_CAPTION_BYTES = 1 << 20


@dataclass(frozen=True)
class CaptionedFace:
    """One picture with its sentences, at least one; split: as the folder says, or None."""

    id: str
    image: Path
    captions: tuple[str, ...]
    split: str | None = None


def is_captioned(root: Path) -> bool:
    """Whether the folder holds faces with sentences in one of the three forms."""
    if not root.is_dir():
        return False
    if (root / JSONL_FILE).is_file() or (root / TEXT_FILE).is_file():
        return True
    return any(path.with_suffix(".txt").is_file() for path in root.iterdir() if path.suffix.lower() in PICTURES)


def read_captioned(root: Path) -> tuple[CaptionedFace, ...]:
    """The faces of such a folder, by name. Pictures without a sentence are left out.

    InputError, with file and line, for a line that is none; UsageError when nothing is left. Pictures that are
    named but not there are reported when they are asked for, like any damaged picture.
    """
    if (root / JSONL_FILE).is_file():
        rows = _jsonl(root / JSONL_FILE)
    elif (root / TEXT_FILE).is_file():
        rows = _lines(root / TEXT_FILE)
    else:
        rows = _beside(root)
    found: dict[str, CaptionedFace] = {}
    for name, captions, split, where in rows:
        image = root / name
        if image.suffix.lower() not in PICTURES or not image.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{where}: {name!r} is no picture of this folder ({', '.join(sorted(PICTURES))})")
        sentences = tuple(text for text in (" ".join(caption.split()) for caption in captions) if text)
        known = found.get(name)
        if known:
            sentences = known.captions + sentences
            split = split or known.split
        if sentences:
            found[name] = CaptionedFace(str(Path(name).with_suffix("")), image, sentences, split)
    if not found:
        raise UsageError(f"{root}: no picture has a sentence")
    return tuple(found[name] for name in sorted(found))


_Row = tuple[str, list[str], str | None, str]


def _jsonl(path: Path) -> list[_Row]:
    rows: list[_Row] = []
    for number, line in enumerate(_read(path, _MAX_BYTES).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value: Any = json.loads(line)
            captions = value["captions"] if "captions" in value else [value["caption"]]
            split = value.get("split")
            if not (isinstance(value["image"], str) and all(isinstance(caption, str) for caption in captions)):
                raise TypeError
            if not (isinstance(captions, list) and isinstance(split, str | None)):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(f'{where}: must be {{"image": "NAME.jpg", "captions": ["..."]}}') from None
        rows.append((value["image"], captions, split, where))
    return rows


def _lines(path: Path) -> list[_Row]:
    rows: list[_Row] = []
    for number, line in enumerate(_read(path, _MAX_BYTES).splitlines(), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        if not tab:
            raise InputError(f"{path}, line {number}: must be NAME.jpg, a tab, and a sentence")
        rows.append((name.strip(), [caption], None, f"{path}, line {number}"))
    return rows


def _beside(root: Path) -> list[_Row]:
    rows: list[_Row] = []
    for image in sorted(root.iterdir()):
        path = image.with_suffix(".txt")
        if image.suffix.lower() in PICTURES and not image.name.startswith(".") and path.is_file():
            rows.append((image.name, _read(path, _MAX_CAPTION_BYTES).splitlines(), None, str(path)))
    return rows


def _read(path: Path, largest: int) -> str:
    try:
        if path.stat().st_size > largest:
            raise InputError(f"{path}: is far too large for sentences")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error, "not UTF-8 text")
        raise InputError(f"{path}: cannot be read ({reason})") from None
