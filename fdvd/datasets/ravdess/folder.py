"""Finds the RAVDESS clips below a folder, whatever way its archives were unpacked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fdvd.datasets.problems import Problem
from fdvd.datasets.ravdess.names import Recording, parse_name
from vl_backbone.common.errors import InputError, UsageError

VIDEO_SUFFIXES = frozenset((".mp4", ".flv", ".mov", ".mkv", ".avi"))
_AUDIO_ONLY = 3


@dataclass(frozen=True, order=True)
class Source:
    """One clip with a face: what it is, and its file."""

    recording: Recording
    path: Path


def find_recordings(root: str | os.PathLike[str]) -> tuple[list[Source], list[Problem]]:
    """All clips with pictures, sorted by name, and the video files that are no RAVDESS clips, by name.

    RAVDESS holds every take twice, with and without sound; the pictures are the same, so the one with sound is
    taken. UsageError for a folder without a single RAVDESS clip.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise UsageError(f"{root}: {what}; name the folder that RAVDESS was unpacked into")
    takes: dict[tuple[int, ...], Source] = {}
    problems: list[Problem] = []
    for path in sorted(_videos(root)):
        label = path.relative_to(root).as_posix()
        try:
            source = Source(parse_name(path.name), path)
        except InputError as error:
            problems.append(Problem("wrong-name", label, str(error).removeprefix(f"{path.name}: ")))
            continue
        if source.recording.modality == _AUDIO_ONLY:
            problems.append(Problem("wrong-name", label, "its name says audio-only, but it is a video file"))
            continue
        other = takes.get(source.recording.performance)
        if other is not None and other.recording == source.recording:
            first = other.path.relative_to(root).as_posix()
            problems.append(Problem("duplicate", label, f"is there twice; {first} is used"))
        elif other is None or source.recording < other.recording:
            takes[source.recording.performance] = source
    if not takes:
        raise UsageError(
            f"{root}: holds no RAVDESS clips; unpack Video_Speech_Actor_01.zip to _24.zip (and the song ones) into it. "
            "The names look like Actor_12/01-01-06-01-02-01-12.mp4"
        )
    return sorted(takes.values()), problems


def _videos(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")]
