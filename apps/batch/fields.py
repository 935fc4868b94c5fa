"""The fields of one manifest row: their types, limits and defaults."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of

TASKS = ("edit", "superres", "generate")
# What each task reads besides id, task and text; any other field must be left out or have its default.
USED = {
    "edit": {"image", "strength", "seed", "refine", "face", "aligned"},
    "superres": {"image", "strength", "seed", "aligned", "samples"},
    "generate": {"seed", "n"},
}
KNOWN_FIELDS = frozenset({"id", "task", "text", *USED["edit"], *USED["superres"], *USED["generate"]})
MAX_TEXT = 2_000
MAX_ID_BYTES = 100
MAX_PATH = 4_000
MAX_SEED = 2**32 - 1
MAX_REFINE = 1_000
MAX_FACES = 64
MAX_FIELDS = 64
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True)
class RowDefaults:
    """What a row without these fields gets. refine None: the preset's own number of steps."""

    refine: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class BatchRow:
    """One thing to do.

    number: from 1, in the manifest's order; line: where it stands there; id: names its files.
    image: the photo, absolute (None: the task needs none); source: the same as the manifest writes it.
    refine: steps, None for the preset's default. n: faces to make; samples: answers of a super-resolution.
    """

    number: int
    line: int
    id: str
    task: str
    image: Path | None
    source: str | None
    text: str
    strength: float = 1.0
    seed: int = 0
    refine: int | None = None
    face: str = "largest"
    aligned: bool = False
    n: int = 1
    samples: int = 1

    def settings(self) -> dict[str, Any]:
        """Every field that changes this row's pictures, by name."""
        return {name: getattr(self, name) for name in ("task", "text", *sorted(USED[self.task] - {"image"}))}


def check_id(value: Any, number: int) -> str:
    """The name of a row's files; InputError for one that is no safe file name everywhere."""
    if value is None or value == "":
        return f"{number:06d}"
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InputError(f"id must be a word or a whole number, got {_shown(value)}")
    name = str(value).strip()
    unsafe = any(c in '<>:"/\\|?*' or unicodedata.category(c)[0] == "C" for c in name)
    ends = name.startswith((".", "-")) or name.endswith(".")
    if not name or unsafe or ends or len(name.encode("utf-8")) > MAX_ID_BYTES or _RESERVED.fullmatch(name):
        raise InputError(
            f"the id {_shown(name)} cannot name a file; use letters, digits, '-', '_' and '.', "
            f"at most {MAX_ID_BYTES} bytes, not starting with '.' or '-'"
        )
    return unicodedata.normalize("NFC", name)


def build_row(
    number: int,
    line: int,
    values: dict[str, Any],
    folder: Path,
    defaults: RowDefaults,
    allow_outside: bool = False,
    text_types: bool = False,
) -> BatchRow:
    """Checks the known, given fields of a row; text_types: numbers arrive as text (CSV). Raises InputError."""
    values = dict(values)
    name = check_id(values.pop("id", None), number)
    task = values.pop("task", "edit")
    if not isinstance(task, str) or task.strip().lower() not in TASKS:
        raise InputError(f"task must be {', '.join(TASKS)}; got {_shown(task)}")
    task = task.strip().lower()
    text = _text(values.pop("text", ""), task)
    image = _word(values.pop("image", ""), "image", MAX_PATH)
    path = _image(image, folder, allow_outside) if task != "generate" else None
    if task == "generate" and image:
        raise InputError("a row of the task generate takes no image")
    fields: dict[str, Any] = {
        "strength": _strength(values.pop("strength", 1.0), text_types),
        "seed": _whole(values.pop("seed", defaults.seed), "seed", 0, MAX_SEED, text_types),
        "refine": _refine(values.pop("refine", None), defaults.refine, text_types),
        "face": _face(values.pop("face", "largest")),
        "aligned": _truth(values.pop("aligned", False), text_types),
        "n": _whole(values.pop("n", 1), "n", 1, MAX_FACES, text_types),
        "samples": _whole(values.pop("samples", 1), "samples", 1, MAX_FACES, text_types),
    }
    plain = BatchRow(number, line, name, task, path, image or None, text)
    for field, value in fields.items():
        if field in USED[task]:
            continue
        if value != getattr(plain, field) and field not in ("seed", "refine"):
            raise InputError(f"a row of the task {task} has no {field}; leave it out")
        fields[field] = getattr(plain, field)
    return BatchRow(number, line, name, task, path, image or None, text, **fields)


def _shown(value: Any) -> str:
    """A value inside a sentence: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _word(value: Any, field: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{field} must be text, got {_shown(value)}")
    if len(value) > longest:
        raise InputError(f"{field} is longer than {longest} characters")
    if any("\ud800" <= c <= "\udfff" or c == "\0" for c in value):
        raise InputError(f"{field} holds characters that are no text")
    return value


def _text(value: Any, task: str) -> str:
    text = _word(value, "text", MAX_TEXT).strip()
    if not text and task != "superres":
        raise InputError("the text is empty; say what the face should look like, for instance 'blond hair'")
    return text


def _image(name: str, folder: Path, allow_outside: bool) -> Path:
    """The absolute path of a row's photo, which must be there and, as a rule, below the manifest's folder."""
    if not name:
        raise InputError("the image is missing; name the photo, relative to the manifest")
    try:
        path = (folder / name).resolve()
        inside, there = path.is_relative_to(folder), path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        reason = reason_of(error)
        raise InputError(f"the image {_shown(name)} cannot be read ({reason})") from None
    if not inside and not allow_outside:
        raise InputError(
            f"the image {_shown(name)} lies outside the manifest's folder; move it there or pass --allow-outside"
        )
    if not there:
        raise InputError(f"the image {_shown(name)} does not exist")
    if not path.is_file():
        raise InputError(f"the image {_shown(name)} is not a file")
    return path


def _number(value: Any, text_types: bool) -> float | None:
    """A number (nan and infinite ones too), or None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and (not text_types or "_" in value):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _strength(value: Any, text_types: bool) -> float:
    from gan_mapping.editing.requests import check_strength

    strength = _number(value, text_types)
    if strength is None:
        raise InputError(f"strength must be a number, got {_shown(value)}")
    check_strength(strength)
    return strength


def _whole(value: Any, field: str, low: int, high: int, text_types: bool) -> int:
    number = _number(value, text_types)
    if number is None or not math.isfinite(number) or number != int(number) or not low <= number <= high:
        raise InputError(f"{field} must be a whole number from {low} to {high}, got {_shown(value)}")
    return int(number)


def _refine(value: Any, default: int | None, text_types: bool) -> int | None:
    return default if value is None else _whole(value, "refine", 0, MAX_REFINE, text_types)


def _face(value: Any) -> str:
    face = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if face not in ("largest", "all") and not re.fullmatch(r"[0-9]{1,4}", face):
        raise InputError(f'face must be "largest", "all" or a number, got {_shown(value)}')
    return face


def _truth(value: Any, text_types: bool) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text_types and isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise InputError(f"aligned must be true or false, got {_shown(value)}")
