"""YAML -> nested frozen dataclasses, with types checked and paths taken from the file's own folder.

The only door to YAML files: `load_yaml` for configurations, `read_yaml` for small tables whose readers check them.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from vl_backbone.common.errors import UsageError, VilaFaceError
from vl_backbone.common.reason import reason_of

T = TypeVar("T")


def load_yaml(kind: type[T], path: Path) -> T:
    """Reads a configuration of that dataclass; UsageError names the file and the field that is wrong.

    Wrong is an unknown field, a missing one, a value of another type, and what the dataclass itself refuses. Relative
    paths in it are relative to the file. Whole numbers do for float fields, lists for tuples.
    """
    values = read_yaml(path)
    try:
        built: T = _value(kind, values, "", path.resolve().parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return built


def read_yaml(path: Path, refuse: type[VilaFaceError] = UsageError) -> Any:
    """What a YAML file holds, unchecked. `refuse` is raised, with the file's name, where it is missing or no YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(f"{path} cannot be read: {reason_of(error, 'it is not UTF-8 text')}.") from None
    except yaml.YAMLError as error:
        raise refuse(f"{path} cannot be read, it is not YAML: {error}.") from None


def _build(kind: type[Any], values: Any, where: str, folder: Path) -> Any:
    if not isinstance(values, Mapping):
        raise UsageError(f"{where or 'the file'} must hold fields and values, not {values!r}.")
    known = {field.name: field for field in fields(kind)}
    unknown = [str(name) for name in values if name not in known]
    if unknown:
        raise UsageError(f"unknown field {where}{unknown[0]}; known are {', '.join(known)}.")
    missing = [
        name
        for name, field in known.items()
        if name not in values and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise UsageError(f"the field {where}{missing[0]} is missing.")
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value, f"{where}{name}", folder) for name, value in values.items()})


def _value(hint: Any, value: Any, where: str, folder: Path) -> Any:
    origin, choices = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _build(hint, value, f"{where}." if where else "", folder)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in choices:
            return None
        (hint,) = (choice for choice in choices if choice is not type(None))
        return _value(hint, value, where, folder)
    if origin is Literal:
        if value in choices and not isinstance(value, bool):
            return value
        raise UsageError(f"{where} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
    if origin is tuple:
        return _tuple(choices, value, where, folder)
    if origin is dict and isinstance(value, Mapping):
        return dict(value)
    if hint is Path and isinstance(value, str) and value:
        return folder / Path(value).expanduser()
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in (int, bool, str) and type(value) is hint:
        return value
    names = {Path: "a path", float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    hinted = names.get(hint, "fields and values")
    # YAML reads 1e-4 as text, which trips up everyone once.
    hinted += " (write 1.0e-4, not 1e-4)" if hint is float and isinstance(value, str) else ""
    raise UsageError(f"{where} must be {hinted}, got {value!r}.")


def _tuple(choices: tuple[Any, ...], value: Any, where: str, folder: Path) -> tuple[Any, ...]:
    any_length = len(choices) == 2 and choices[1] is Ellipsis
    if not isinstance(value, list) or not (any_length or len(value) == len(choices)):
        raise UsageError(f"{where} must be a list{'' if any_length else f' of {len(choices)}'}, got {value!r}.")
    kinds = [choices[0]] * len(value) if any_length else choices
    return tuple(_value(kind, item, where, folder) for kind, item in zip(kinds, value, strict=True))
