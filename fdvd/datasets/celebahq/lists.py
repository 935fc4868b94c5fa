"""Train and test lists. Pickled ones are read by a small machine that knows lists, tuples, strings and numbers.

Python's own unpickler runs code that a file names. Here the file's instructions are only looked at
(pickletools.genops splits them, without executing or importing anything), and all but the harmless ones are refused.
"""

from __future__ import annotations

import json
import pickletools
from pathlib import Path
from typing import Any

from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of

MAX_BYTES = 64 * 2**20
MAX_ITEMS = 5_000_000

_VALUES = frozenset(
    (
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    )
)
_STORE = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_RECALL = frozenset(("GET", "BINGET", "LONG_BINGET"))
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()
# What a broken stream of instructions makes genops and the stack raise.
_BROKEN = (ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError)


def read_list(path: Path) -> list[str]:
    """The names in a list file: .pickle/.pkl, .json (a list), or text with one name a line.

    Numbers become their decimal text. InputError for anything but a flat list of names.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: is larger than {MAX_BYTES >> 20} MiB; a list of names is far smaller")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason_of(error)})") from None
    suffix = path.suffix.lower()
    if suffix in (".pickle", ".pkl"):
        values = read_plain_pickle(data, str(path))
    else:
        try:
            text = data.decode("utf-8-sig")
            values = json.loads(text) if suffix == ".json" else text.split("\n")
        except (ValueError, RecursionError):
            raise InputError(f"{path}: is not a list in UTF-8 text; save it again") from None
    if not isinstance(values, list | tuple):
        raise InputError(f"{path}: holds {type(values).__name__}, not a list of names")
    names = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise InputError(f"{path}: holds a {type(value).__name__} where a file name belongs; give a flat list")
        name = str(value).strip()
        if name:
            names.append(name)
    return names


def read_plain_pickle(data: bytes, name: str) -> Any:
    """The list or tuple that a pickle describes. Never imports or runs anything.

    name: of the file, for errors. InputError for a damaged pickle and for one that asks for anything else.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if count > MAX_ITEMS:
                raise InputError(f"{name}: holds too many entries for a list of names")
            if operation.name == "STOP":
                (result,) = stack
                return result
            _step(operation.name, argument, stack, memo, name)
    except InputError:
        raise
    except _BROKEN:
        raise InputError(f"{name}: the pickle is damaged or cut off; get another copy") from None


def _step(kind: str, argument: Any, stack: list[Any], memo: dict[int, Any], name: str) -> None:
    """One instruction of the stack machine."""
    if kind in _VALUES:
        stack.append(argument)
    elif kind in ("PROTO", "FRAME"):
        return
    elif kind == "MARK":
        stack.append(_MARK)
    elif kind == "EMPTY_LIST":
        stack.append([])
    elif kind == "APPEND":
        value = stack.pop()
        stack[-1].append(value)
    elif kind in ("APPENDS", "LIST", "TUPLE"):
        values = _pop_to_mark(stack)
        if kind == "APPENDS":
            stack[-1].extend(values)
        else:
            stack.append(values if kind == "LIST" else tuple(values))
    elif kind in _TUPLES:
        count = _TUPLES[kind]
        values = [stack.pop() for _ in range(count)][::-1]
        stack.append(tuple(values))
    elif kind in _STORE:
        memo[argument] = stack[-1]
    elif kind == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif kind in _RECALL:
        stack.append(memo[argument])
    else:
        raise InputError(
            f"{name}: this pickle is refused: it holds more than a plain list of names ({kind}), and such a file could "
            "run code; save the list as text, one name a line"
        )


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    values: list[Any] = []
    while (value := stack.pop()) is not _MARK:
        values.append(value)
    return values[::-1]
