"""Video files with sentences, as pre-training and retrieval read them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.video.clips import ClipConfig, load_clips


@dataclass(frozen=True)
class VideoEntry:
    """One video, or its part from `start` to `end` seconds, with the sentences about it. name: for reports."""

    path: Path
    captions: tuple[str, ...]
    start: float = 0.0
    end: float | None = None
    name: str = ""


@dataclass(frozen=True)
class VideoTextSample:
    """See ClipTextSample."""

    hr: Tensor
    lr: Tensor | None
    captions: tuple[str, ...]


class VideoTextDataset:
    """Reads clips from the files as they are asked for; `training` draws clips, crop and flip at random.

    Random choices come from Python's global generator, which the training loop seeds for every sample.
    """

    def __init__(self, entries: Sequence[VideoEntry], clips: ClipConfig, training: bool = True) -> None:
        self.entries, self.clips, self.training = list(entries), clips, training

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> VideoTextSample:
        entry = self.entries[index]
        rng = random.Random(random.getrandbits(64)) if self.training else None
        clips = load_clips(entry.path, self.clips, rng, entry.start, entry.end)
        return VideoTextSample(clips.hr, clips.lr if clips.lr.shape[1] else None, entry.captions)


def read_jsonl(path: Path, videos: Path) -> list[VideoEntry]:
    """One JSON object a line: video (a path below `videos`), captions (or caption), optionally start and end (seconds).

    Raises UsageError naming the first bad line.
    """
    entries = []
    for number, row in json_lines(path):
        where = f"{path}, line {number}"
        captions = _sentences(row.get("captions", row.get("caption")))
        if not isinstance(row.get("video"), str) or not captions:
            raise UsageError(f'{where}: needs "video" (a path) and "captions" (sentences).')
        start, end = row.get("start", 0.0), row.get("end")
        if not _seconds(start) or not (end is None or (_seconds(end) and end > start)):
            raise UsageError(f"{where}: start and end must be seconds, end after start.")
        entries.append(VideoEntry(inside(videos, row["video"], where), captions, float(start), end, row["video"]))
    return entries


def json_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(1-based line number, object) of every line that is not empty; UsageError for what is not a JSON object."""
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: is not JSON ({error}).") from None
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number}: must be a JSON object.")
        rows.append((number, row))
    if not rows:
        raise UsageError(f"{path}: there is nothing in it.")
    return rows


def read_text(path: Path) -> str:
    """The whole file as UTF-8; UsageError when that cannot be."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}).") from None


def inside(folder: Path, name: str, where: str) -> Path:
    """folder / name; UsageError for a name that leaves the folder."""
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{where}: {name!r} lies outside {folder}.")
    return path


def present(entries: Sequence[VideoEntry]) -> list[VideoEntry]:
    """Those whose file is there; InputError when none is."""
    found = [entry for entry in entries if entry.path.is_file()]
    if not found:
        raise InputError(f"None of the {len(entries)} videos is there; the first should be {entries[0].path}.")
    return found


def _sentences(value: Any) -> tuple[str, ...]:
    """One sentence or a list of them; nothing for anything else."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) and item.strip() for item in items):
        return ()
    return tuple(items)


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
