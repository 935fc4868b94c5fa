"""A pickle reader that cannot execute anything: it never imports, calls or builds what a file names.

Python's own `pickle` is a machine whose instructions call whatever a file asks for, and even a subclass that
allows only some names hands a hostile file loops, huge memo tables and endless hashes to play with. This one
takes the instructions apart with the standard library's `pickletools.genops` and interprets the few that
weight files need. A name in the file is only compared with a list; what it stands for is one of our own
functions on inert values. Every instruction adds a bounded amount of memory.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from vl_backbone.common.errors import WeightsError

MAX_OPERATIONS = 500_000
MAX_PROTOCOL = 5
_MARK = object()

Builder = Callable[..., object]
# What a malformed stream can raise in here: each means the same to the user.
DAMAGE = (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError)


class ForbiddenNameError(WeightsError):
    """The file names something that no weight file needs."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(
            f"The file asks for {shown(module)}.{shown(name)}, which no generator's weights need; "
            "it was not executed. Do not use this file."
        )
        self.module = module
        self.name = name


@dataclass(frozen=True)
class Name:
    """A name that the file mentioned and that is on the list; nothing of that name was looked up."""

    module: str
    name: str


@dataclass(frozen=True)
class Blob:
    """Bytes of the file that are not copied: where they start, and how many."""

    start: int
    size: int


class NamedDict(dict[Any, Any]):
    """Stands for a dict subclass of the file's own code (dnnlib's EasyDict)."""


class ByteReader:
    """What `genops` needs of a file, over bytes in memory; reads never reach beyond the end."""

    def __init__(self, content: memoryview, start: int = 0) -> None:
        self.content = content
        self.position = start

    def read(self, count: int) -> bytes:
        piece = bytes(self.content[self.position : self.position + count]) if count >= 0 else b""
        self.position += len(piece)
        return piece

    def readline(self) -> bytes:
        longest = bytes(self.content[self.position : self.position + 4096])
        end = longest.find(b"\n")
        return self.read(end + 1 if end >= 0 else len(longest))

    def tell(self) -> int:
        return self.position


def shown(text: str) -> str:
    """Untrusted text as it may stand in a message."""
    return ascii(text[:80])[1:-1]


@dataclass
class Budget:
    """How many instructions a file may still use, in all its pickles together."""

    left: int = MAX_OPERATIONS


class PickleMachine:
    """Interprets one pickle.

    builders: (module, name) -> our function, called with the arguments of a REDUCE or NEWOBJ. load_persistent:
    called with the value of a BINPERSID; None refuses them. build: called as (target, state) on a BUILD.
    budget: shared by the pickles of one file, None for one of its own.
    """

    def __init__(
        self,
        builders: Mapping[tuple[str, str], Builder],
        load_persistent: Callable[[object], object] | None = None,
        build: Callable[[object, object], None] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._builders = builders
        self._load_persistent = load_persistent
        self._build = build
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._budget = budget or Budget()

    def load(self, reader: ByteReader) -> object:
        """The value of the pickle at the reader's position, which moves behind it. Raises WeightsError."""
        self._stack, self._memo = [], {}
        try:
            for opcode, argument, position in pickletools.genops(cast(Any, reader)):
                self._budget.left -= 1
                if self._budget.left < 0:
                    raise WeightsError("The file has more instructions than any generator's weights; refused.")
                if opcode.name == "STOP":
                    return self._pop()
                self._step(opcode.name, argument, position or 0, reader)
        except WeightsError:
            raise
        except DAMAGE as error:
            raise WeightsError(f"The file is damaged or cut short ({type(error).__name__} in its pickle).") from None
        raise WeightsError("The file is cut short: its pickle has no end.")

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("mark in place of a value")
        return value

    def _pop_to_mark(self) -> list[Any]:
        stack = self._stack
        start = len(stack) - 1
        while stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise ValueError("no mark")
        items = stack[start + 1 :]
        del stack[start:]
        return items

    def _top(self, kind: type) -> Any:
        value = self._stack[-1]
        if not isinstance(value, kind):
            raise ValueError(f"not a {kind.__name__}")
        return value

    def _step(self, code: str, argument: Any, position: int, reader: ByteReader) -> None:
        push = self._stack.append
        match code:
            case "PROTO":
                if argument > MAX_PROTOCOL:
                    raise WeightsError(f"The file is a pickle of protocol {argument}, which is not known.")
            case "FRAME":
                pass
            case "MARK":
                push(_MARK)
            case "POP":
                self._stack.pop()
            case "POP_MARK":
                self._pop_to_mark()
            case "NONE":
                push(None)
            case "NEWTRUE":
                push(True)
            case "NEWFALSE":
                push(False)
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4":
                if argument.bit_length() > 80:  # torch's magic number has 80 bits, nothing has more
                    raise ValueError("number too long")
                push(argument)
            case "FLOAT" | "BINFLOAT" | "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                push(argument)
            case "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8":
                push(Blob(reader.tell() - len(argument), len(argument)))
            case "EMPTY_TUPLE":
                push(())
            case "TUPLE":
                push(tuple(self._pop_to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [self._pop() for _ in range(int(code[-1]))]
                push(tuple(reversed(items)))
            case "EMPTY_LIST":
                push([])
            case "LIST":
                push(self._pop_to_mark())
            case "APPEND":
                value = self._pop()
                self._top(list).append(value)
            case "APPENDS":
                values = self._pop_to_mark()
                self._top(list).extend(values)
            case "EMPTY_DICT":
                push({})
            case "DICT":
                values = self._pop_to_mark()
                push({})
                self._set_items(values)
            case "SETITEM":
                value, key = self._pop(), self._pop()
                self._set_items([key, value])
            case "SETITEMS":
                self._set_items(self._pop_to_mark())
            case "EMPTY_SET":
                push(set())
            case "ADDITEMS":
                values = self._pop_to_mark()
                self._top(set).update(_plain_key(value) for value in values)
            case "FROZENSET":
                push(frozenset(_plain_key(value) for value in self._pop_to_mark()))
            case "GLOBAL":
                module, _, name = argument.partition(" ")
                push(self._name(module, name))
            case "STACK_GLOBAL":
                name, module = self._pop(), self._pop()
                if not (isinstance(module, str) and isinstance(name, str)):
                    raise ValueError("a name that is no text")
                push(self._name(module, name))
            case "REDUCE" | "NEWOBJ":
                arguments, what = self._pop(), self._pop()
                if not isinstance(what, Name) or not isinstance(arguments, tuple):
                    raise WeightsError("The file calls something that is not a known name; it was not executed.")
                push(self._builders[what.module, what.name](*arguments))
            case "BUILD":
                state = self._pop()
                if self._build is None:
                    raise WeightsError("The file sets attributes where a weight file has none; refused.")
                self._build(self._stack[-1], state)
            case "GET" | "BINGET" | "LONG_BINGET":
                push(self._memo[int(argument)])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[int(argument)] = self._stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            case "BINPERSID":
                if self._load_persistent is None:
                    raise WeightsError("The file refers to data outside itself; refused.")
                push(self._load_persistent(self._pop()))
            case _:
                raise WeightsError(f"The file uses the pickle instruction {code}, which no weight file needs; refused.")

    def _name(self, module: str, name: str) -> Name:
        if (module, name) not in self._builders:
            raise ForbiddenNameError(module, name)
        return Name(module, name)

    def _set_items(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_plain_key(key)] = value


def _plain_key(key: object) -> str | int:
    """Only text and numbers: the hash of nested tuples can take for ever."""
    if not isinstance(key, (str, int)):
        raise ValueError("a key that is neither text nor number")
    return key
