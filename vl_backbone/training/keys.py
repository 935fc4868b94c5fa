"""What a resumed run must share, as canonical JSON of named values.

A dataclass counts by its fields' names and values, never by its own name or by how Python prints it: renaming or moving
a class leaves a run resumable, another value or field does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any


def canonical_json(values: Mapping[str, object]) -> str:
    """Named values -> one text for equal ones: names sorted, tuples as lists, sets sorted, paths as text.

    Values: None, truth values, finite numbers, text, paths, enum members, and lists, tuples, sets, mappings with text
    keys and dataclasses of these. TypeError or ValueError for anything else, since no key can speak for it.
    """
    return json.dumps(_plain(values), sort_keys=True, separators=(",", ":"), allow_nan=False)


def resume_key(values: Mapping[str, object]) -> str:
    """sha256 of `canonical_json`, in hexadecimal."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("The names in a resume key must be text.")
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=json.dumps)
    raise TypeError(f"A resume key cannot hold {type(value).__name__}; give its named values.")
