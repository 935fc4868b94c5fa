"""The ledger: one JSON line per finished row, appended and flushed to disk before the next row counts.

Lines stand on their own, so ledgers merge by joining their lines, and a torn last line (power cut, kill) is
dropped when the ledger is opened again. Writers of several processes take turns by a file lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of
from vl_backbone.weights.files import exclusive_lock, sha256_of

LEDGER_NAME = "results.jsonl"
KEY_VERSION = 1  # raised when the same key would mean other pictures
_CHUNK = 2**20


@dataclass(frozen=True)
class Entry:
    """One finished row.

    row: its number in the manifest; status: "ok" or "failed"; key: hash of input bytes, settings and weights.
    outputs: kind -> (file name in the output folder, sha256 of the file).
    """

    row: int
    id: str
    status: str
    key: str
    error: str | None = None
    outputs: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def to_line(self) -> str:
        """The ledger's line, without its end."""
        values = {
            "row": self.row,
            "id": self.id,
            "status": self.status,
            "key": self.key,
            "error": self.error,
            "outputs": {kind: {"file": file, "sha256": digest} for kind, (file, digest) in self.outputs.items()},
        }
        return json.dumps(values, ensure_ascii=True)

    @classmethod
    def from_line(cls, line: bytes) -> Entry | None:
        """The entry of a line, or None for a line that is none (torn, edited, of another program)."""
        try:
            values = json.loads(line)
            outputs = {
                kind: (_file_name(output["file"]), _sha256(output["sha256"]))
                for kind, output in values["outputs"].items()
            }
            error = values["error"]
            row, name, status, key = (values[field] for field in ("row", "id", "status", "key"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        sound = type(row) is int and isinstance(name, str) and status in ("ok", "failed") and isinstance(key, str)
        if not sound or not (error is None or isinstance(error, str)):
            return None
        return cls(row, name, status, key, error, outputs)


def _file_name(name: str) -> str:
    if not isinstance(name, str) or not name or name != Path(name).name or name.startswith("."):
        raise ValueError("an output is a plain file name")
    return name


def _sha256(digest: str) -> str:
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError("not a sha256")
    return digest


def row_key(input_sha256: str, settings: Mapping[str, Any], weights: Mapping[str, str]) -> str:
    """What a row's pictures depend on, as one hash: input bytes, settings and weight files."""
    parts = {"version": KEY_VERSION, "input": input_sha256, "settings": settings, "weights": weights}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def intact(entry: Entry, folder: Path) -> bool:
    """Whether all files of an entry are in the folder with the bytes they had."""
    try:
        return all(
            not (folder / file).is_symlink() and sha256_of(folder / file) == digest
            for file, digest in entry.outputs.values()
        )
    except OSError:
        return False


def read_entries(path: Path) -> list[Entry]:
    """All sound lines of a ledger in their order; none when there is no ledger. Raises UsageError."""
    try:
        with path.open("rb") as file:
            return [entry for line in file if (entry := Entry.from_line(line)) is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: the ledger cannot be used ({reason_of(error)}).")


class Ledger:
    """The ledger of an output folder, open for appending; use as a context manager."""

    def __init__(self, folder: Path, resume: bool = True) -> None:
        """Opens (or makes) it and drops a torn last line; resume False: what stands in it counts for nothing.

        Raises UsageError when it cannot be opened.
        """
        self.path = folder / LEDGER_NAME
        self.folder = folder
        self._lock = folder / ".results.lock"
        self._done: dict[str, Entry] = {}
        self._failed: set[tuple[int, str, str, str | None]] = set()
        try:
            # A link in the place of the ledger would make the lines land outside the folder.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            self._fd = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise _unusable(self.path, error) from None
        try:
            with exclusive_lock(self._lock):
                self._drop_torn_line()
        except OSError as error:
            self.close()
            raise _unusable(self.path, error) from None
        if resume:
            self._remember(read_entries(self.path))

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; the lines are already on disk."""
        os.close(self._fd)

    def finished(self, name: str, key: str) -> Entry | None:
        """The entry of the row of that id when it was done with that key and its files are intact."""
        entry = self.last(name)
        return entry if entry is not None and entry.key == key and intact(entry, self.folder) else None

    def last(self, name: str) -> Entry | None:
        """The last entry of that id that says it was done, whatever became of its files."""
        return self._done.get(name)

    def append(self, entry: Entry) -> None:
        """Adds a line and waits until it is on disk; the very same failure is not noted twice.

        Raises InputError when the disk does not take it.
        """
        failure = (entry.row, entry.id, entry.key, entry.error)
        if entry.status == "failed" and failure in self._failed:
            return
        try:
            with exclusive_lock(self._lock):
                data = (entry.to_line() + "\n").encode("ascii")
                end = os.lseek(self._fd, 0, os.SEEK_END)
                if os.write(self._fd, data) != len(data):
                    os.ftruncate(self._fd, end)
                    raise OSError("the disk is full")
                os.fsync(self._fd)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason_of(error)})") from None
        self._remember([entry])

    def _remember(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.status == "ok":
                self._done[entry.id] = entry
            else:
                self._failed.add((entry.row, entry.id, entry.key, entry.error))

    def _drop_torn_line(self) -> None:
        """A last line without its end is cut off, unless only the end is missing."""
        size = os.lseek(self._fd, 0, os.SEEK_END)
        start, tail = size, b""
        while start > 0 and b"\n" not in tail:
            step = min(start, _CHUNK)
            start -= step
            tail = os.pread(self._fd, step, start) + tail
        torn = tail[tail.rfind(b"\n") + 1 :]
        if not torn:
            return
        if Entry.from_line(torn) is not None:
            os.write(self._fd, b"\n")
        else:
            os.ftruncate(self._fd, size - len(torn))
        os.fsync(self._fd)
