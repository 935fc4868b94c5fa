"""Reading annotation files defensively, and finding the videos that they speak of."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vl_backbone.common.errors import UsageError
from vl_backbone.pretraining.video_text import json_lines, read_text

VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".gif")


class VideoFolder:
    """The video files below a folder, by name without suffix; annotations name them in many ways."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: there is no such folder of videos.")
        self.folder = folder
        self._paths: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in VIDEO_SUFFIXES:
                self._paths.setdefault(path.stem, path)

    def find(self, name: str) -> Path:
        """The file of that name, with or without suffix or folders; a name that is not there gives a path that is not.

        Only files below the folder are ever found, whatever the name holds.
        """
        last = name.replace("\\", "/").rsplit("/", 1)[-1]
        stem = last.rsplit(".", 1)[0] if last.lower().endswith(VIDEO_SUFFIXES) else last
        missing = self.folder / f"{Path(stem).name or 'unnamed'}.mp4"
        return self._paths.get(stem) or self._paths.get(last) or missing


def read_json(path: Path) -> Any:
    """The file's JSON; UsageError when it is none."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path}: is not JSON ({error}).") from None


def read_table(path: Path, delimiter: str, names: Sequence[str] | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """("FILE, line N", row by column name) of a delimited file; names: its columns when it has no header line."""
    # Sentences hold quote marks that quote nothing, so tab-separated files are split and not parsed.
    lines = read_text(path).splitlines()
    if delimiter == "\t":
        reader = csv.DictReader(lines, names, restval="", delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.DictReader(lines, names, restval="", delimiter=delimiter)
    empty = True
    try:
        for row in reader:
            empty = False
            yield f"{path}, line {reader.line_num}", {key: value for key, value in row.items() if key is not None}
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}.") from None
    if empty:
        raise UsageError(f"{path}: there is nothing in it.")


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """("FILE, entry N", object) of a .jsonl file or of a .json list of objects."""
    if path.suffix.lower() == ".jsonl":
        for number, row in json_lines(path):
            yield f"{path}, line {number}", row
        return
    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{path}: must be a list of objects.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UsageError(f"{path}, entry {number}: must be an object.")
        yield f"{path}, entry {number}", row


def text_field(row: dict[str, Any], names: Sequence[str], where: str) -> str:
    """The first of these fields that the row has, as text that is not empty; UsageError when there is none."""
    for name in names:
        value = row.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return value.strip()
    raise UsageError(f"{where}: the field {' or '.join(names)} is missing or empty.")
