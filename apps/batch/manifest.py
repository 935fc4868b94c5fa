"""Manifests: a JSONL or CSV file, or a folder of pictures, into checked rows. Nothing in them is trusted.

A row that makes no sense becomes a BadRow with its line and a sentence; only a file that cannot be read as a
manifest at all raises (UsageError).
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.batch.fields import KNOWN_FIELDS, MAX_FIELDS, BatchRow, RowDefaults, build_row, check_id
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of

MAX_BYTES = 256 * 2**20
MAX_ROWS = 200_000
MAX_LINE_BYTES = 64 * 2**10
PICTURE_ENDINGS = frozenset(
    (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be done: its number (from 1), its line in the manifest, and why.

    digest: sha256 of the row as it was written.
    """

    number: int
    line: int
    id: str
    error: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest asks for: good and bad rows in their order, and notes for the user."""

    rows: tuple[BatchRow, ...]
    bad: tuple[BadRow, ...]
    warnings: tuple[str, ...] = ()

    def shard(self, index: int, count: int) -> Manifest:
        """Part `index` (from 1) of `count`: every count-th row, so that each row is in exactly one part."""
        rows = tuple(row for row in self.rows if (row.number - index) % count == 0)
        bad = tuple(row for row in self.bad if (row.number - index) % count == 0)
        return Manifest(rows, bad, self.warnings)


@dataclass(frozen=True)
class RawRow:
    """One row as the file has it: its number, its line, its values (or the sentence why there are none)."""

    number: int
    line: int
    values: dict[str, Any] | str
    digest: str


def read_manifest(path: Path, defaults: RowDefaults, allow_outside: bool = False) -> Manifest:
    """Reads and checks a .jsonl or .csv manifest.

    Image paths are relative to the manifest's folder; one that leads out of it (links followed) makes its row
    bad unless allow_outside. Raises UsageError when the file cannot be read as a manifest.
    """
    data = _read(path)
    if path.suffix.lower() == ".jsonl":
        raw = _jsonl_rows(data)
    elif path.suffix.lower() == ".csv":
        raw = _csv_rows(path, data)
    else:
        raise UsageError(f"{path}: a manifest ends in .jsonl or .csv (or is a folder of pictures, with --text).")
    return _checked(path, raw, path.absolute().parent.resolve(), defaults, allow_outside)


def read_folder(folder: Path, task: str, text: str, strength: float, defaults: RowDefaults) -> Manifest:
    """One row per picture of a folder (not of folders inside it), by name; ids are the files' stems."""
    from fdvd.media.photos import stems

    try:
        files = sorted(
            entry for entry in folder.iterdir() if entry.suffix.lower() in PICTURE_ENDINGS and entry.is_file()
        )
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({reason_of(error)}).") from None
    if not files:
        raise UsageError(f"{folder}: there is no picture in this folder ({', '.join(PICTURE_ENDINGS)}).")
    if len(files) > MAX_ROWS:
        raise UsageError(f"{folder}: has more than {MAX_ROWS} pictures; divide it.")
    rows, bad = [], []
    for number, (file, name) in enumerate(zip(files, stems(files), strict=True), start=1):
        values = {"id": name.lstrip("."), "task": task, "image": file.name, "text": text, "strength": strength}
        try:
            rows.append(build_row(number, number, values, folder.resolve(), defaults, allow_outside=True))
        except InputError as error:
            bad.append(BadRow(number, number, f"{number:06d}", str(error), _digest(str(file).encode(errors="replace"))))
    return Manifest(tuple(rows), tuple(bad))


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "there is no such manifest"
            raise UsageError(f"{path}: {what}; give a .jsonl or .csv file, or a folder of pictures with --text.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(f"{path}: has {size / 2**20:.0f} MB, over the limit of {MAX_BYTES >> 20}; divide it.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        reason = reason_of(error)
        raise UsageError(f"{path}: cannot be read ({reason}); check its name and permissions.") from None
    if b"\0" in data:
        raise UsageError(f"{path}: is not a text file in UTF-8 (it holds zero bytes); save it as UTF-8.")
    return data.removeprefix(b"\xef\xbb\xbf")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _jsonl_rows(data: bytes) -> Iterator[RawRow]:
    number = 0
    for line, content in enumerate(data.splitlines() if b"\r" in data else data.split(b"\n"), start=1):
        if content.strip():
            number += 1
            yield RawRow(number, line, _json_object(content), _digest(content))


def _json_object(content: bytes) -> dict[str, Any] | str:
    """The object of one line, or the sentence why it is none."""
    if len(content) > MAX_LINE_BYTES:
        return f"the line is longer than {MAX_LINE_BYTES >> 10} KB"
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_no_repeats)
    except UnicodeDecodeError:
        return "the line is not UTF-8 text; save the manifest as UTF-8"
    except json.JSONDecodeError as error:
        return f"the line is not JSON ({error.msg.lower()} at character {error.colno})"
    except RecursionError:
        return "the line's JSON is nested too deeply"
    except ValueError as error:
        return f"the line is not JSON that can be used ({error})"
    if not isinstance(value, dict):
        return 'the line is not a JSON object such as {"task": "edit", "image": "a.jpg", "text": "smile"}'
    return value


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field appears twice")
    return values


def _csv_rows(path: Path, data: bytes) -> Iterator[RawRow]:
    reader = csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""))
    header: list[str] | None = None
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if header is None:
                raise UsageError(f"{path}: the first line is not a CSV header ({error}).") from None
            number += 1
            yield RawRow(number, reader.line_num, f"the line is not CSV ({error})", _digest(str(number).encode()))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            _check_header(path, header)
            continue
        number += 1
        digest = _digest("\0".join(cells).encode("utf-8", "surrogateescape"))
        yield RawRow(number, reader.line_num, _csv_values(header, cells), digest)


def _check_header(path: Path, header: list[str]) -> None:
    named = [name for name in header if name]
    if len(set(named)) != len(named):
        raise UsageError(f"{path}: a column name appears twice in the first line.")
    if not set(named) & KNOWN_FIELDS:
        raise UsageError(
            f"{path}: the first line must name the columns, for instance: id,task,image,text,strength "
            "(with commas between them)."
        )


def _csv_values(header: list[str], cells: list[str]) -> dict[str, Any] | str:
    if len(cells) > len(header):
        return f"the line has {len(cells)} cells, but the first line names {len(header)} columns"
    if sum(map(len, cells)) > MAX_LINE_BYTES:
        return f"the line is longer than {MAX_LINE_BYTES >> 10} KB"
    if any(re.search("[\ud800-\udfff]", cell) for cell in cells):
        return "the line is not UTF-8 text; save the manifest as UTF-8"
    pairs = zip(header, cells, strict=False)
    # A CSV has no types and no "missing": an empty cell is a field that was not given.
    return {name: cell.strip() for name, cell in pairs if name and cell.strip()}


def _checked(path: Path, raw: Iterator[RawRow], folder: Path, defaults: RowDefaults, allow_outside: bool) -> Manifest:
    rows: list[BatchRow] = []
    bad: list[BadRow] = []
    unknown: dict[str, int] = {}
    taken: dict[str, int] = {}
    text_types = path.suffix.lower() == ".csv"
    for row in raw:
        if row.number > MAX_ROWS:
            raise UsageError(f"{path}: has more than {MAX_ROWS} rows; divide it.")
        name = f"{row.number:06d}"
        try:
            if isinstance(row.values, str):
                raise InputError(row.values)
            values = _known(row.values, unknown, row.line)
            name = check_id(values.get("id"), row.number)
            if name.casefold() in taken:
                raise InputError(f"the id {name!r} is also that of line {taken[name.casefold()]}; ids must differ")
            taken[name.casefold()] = row.line
            rows.append(build_row(row.number, row.line, values, folder, defaults, allow_outside, text_types))
        except InputError as error:
            bad.append(BadRow(row.number, row.line, name, str(error), row.digest))
    if not rows and not bad:
        raise UsageError(f"{path}: has no rows.")
    warnings = [
        f"the field {name!r} means nothing here and is not read (first in line {line}); "
        f"fields are {', '.join(sorted(KNOWN_FIELDS))}"
        for name, line in unknown.items()
    ]
    return Manifest(tuple(rows), tuple(bad), tuple(warnings[:20]))


def _known(values: dict[str, Any], unknown: dict[str, int], line: int) -> dict[str, Any]:
    """The fields that mean something; a likely slip of the pen is an error, any other name is noted."""
    if len(values) > MAX_FIELDS:
        raise InputError(f"the row has {len(values)} fields; {MAX_FIELDS} are the limit")
    known = {}
    for name, value in values.items():
        if name in KNOWN_FIELDS:
            if value is not None:
                known[name] = value
            continue
        near = difflib.get_close_matches(name[:40].lower(), KNOWN_FIELDS, n=1, cutoff=0.75)
        if near:
            raise InputError(f"there is no field {name[:40]!r}; did you mean {near[0]!r}?")
        if len(unknown) < MAX_ROWS:
            unknown.setdefault(name[:40], line)
    return known
