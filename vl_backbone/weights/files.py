"""Files that are either whole or absent: hashing, atomic writing, and a lock between processes."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vl_backbone.common.errors import WeightsError
from vl_backbone.common.reason import reason_of

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CHUNK_BYTES = 1 << 20
PARTIAL_SUFFIX = ".partial"


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content. Raises OSError when it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """A stream's bytes, a mebibyte at a time."""
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


@contextmanager
def explain_os_errors(doing: str) -> Iterator[None]:
    """Turns an OSError (full disk, no permission, ...) into a WeightsError that says what was being done."""
    try:
        yield
    except OSError as error:
        raise WeightsError(f"{doing} failed: {reason_of(error)}.") from error


@contextmanager
def partial_file(target: Path) -> Iterator[Path]:
    """A name beside `target` to write to; it becomes `target` only when the block ends without an error.

    The content reaches the disk before the rename, so that a power cut leaves the old file or the new one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        partial.replace(target)
        _sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(target: Path, chunks: Iterable[bytes]) -> None:
    """Writes `chunks` to `target`, which is never seen half-written. Raises OSError."""
    with partial_file(target) as partial, partial.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)


def remove_partial_files(folder: Path) -> None:
    """Removes what a killed process left behind; call it only while holding the folder's lock."""
    for leftover in folder.rglob(f".*{PARTIAL_SUFFIX}"):
        leftover.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds an operating-system lock on `path`, waiting for whoever has it.

    The system releases it when the holder ends, however it ends, so a lock file left behind never blocks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        if sys.platform == "win32":
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # a folder cannot be opened there; the rename is still atomic
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot do this to a folder; results are written there too.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
