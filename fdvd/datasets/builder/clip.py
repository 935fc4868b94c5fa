"""One RAVDESS clip -> one aligned clip: track the face, smooth the crop, cut, encode, read the attributes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdvd.datasets.builder.settings import BuildSettings
from fdvd.faces.alignment import FaceFrame
from fdvd.faces.smoothing import smooth_quads
from fdvd.faces.tracking import FaceFinder, track_faces
from fdvd.media.video import VideoWriter, probe, read_frames
from vl_backbone.common.errors import InputError
from vl_backbone.weights.files import write_atomically

AttributeReader = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.floating]]]
Record = dict[str, Any]
CLIPS, TRACKS, RECORDS = "clips", "tracks", "records"


@dataclass(frozen=True)
class Tools:
    """The networks of a build.

    detector: finds faces. read_attributes: uint8 [B, R, R, 3] aligned faces -> {attribute: [B] probabilities}.
    name: says which networks they are; clips built with others are built again.
    """

    detector: FaceFinder
    read_attributes: AttributeReader
    name: str = ""


def build_clip(source: Path, name: str, out: Path, tools: Tools, settings: BuildSettings, key: str) -> Record:
    """Writes clips/NAME.mp4, tracks/NAME.npy (float32 [T, 4, 2] smoothed quads in source pixels) and the record.

    InputError for a damaged source and for one in which the face is out of sight too long.
    """
    info = probe(source)
    track = track_faces(
        (frame.rgb for frame in read_frames(source, threads=1)), tools.detector, max_gap=settings.max_gap
    )
    count, seen = len(track), int(track.tracked.sum())
    if seen < settings.min_in_sight * count:
        raise InputError(f"the face is out of sight in {count - seen} of {count} frames")
    quads = smooth_quads(track.quads(), settings.axes_sigma, settings.centre_sigma)
    wanted = np.unique(np.linspace(0, count - 1, settings.readings).round().astype(int))
    target = out / CLIPS / f"{name}.mp4"
    faces: list[NDArray[np.uint8]] = []
    size = (settings.size, settings.size)
    with VideoWriter(target, info, size=size, crf=settings.crf, reproducible=True) as writer:
        for number, (quad, frame) in enumerate(zip(quads, read_frames(source, threads=1), strict=True)):
            face = FaceFrame(quad, (info.width, info.height), settings.size).crop(frame.rgb)
            writer.write(face, frame.pts)
            if number in wanted:
                faces.append(face)
    readings = tools.read_attributes(np.stack(faces))
    quad_bytes = _npy(quads.astype(np.float32))
    write_atomically(out / TRACKS / f"{name}.npy", [quad_bytes])
    record = {
        "id": name,
        "key": key,
        "sha256": file_hash(target),
        "track_sha256": hashlib.sha256(quad_bytes).hexdigest(),
        "frames": count,
        "found": int(track.found.sum()),
        "size": settings.size,
        "rate": str(info.rate),
        "duration": round(count / float(info.rate), 4),
        "source_size": [info.width, info.height],
        "audio": writer.audio,
        "read_frames": wanted.tolist(),
        "readings": {k: [round(float(p), 3) for p in readings[k]] for k in sorted(readings)},
    }
    write_atomically(record_path(out, name), [json.dumps(record, sort_keys=True).encode()])
    return record


def record_path(out: Path, name: str) -> Path:
    """Where a finished clip's record lies."""
    return out / RECORDS / f"{name}.json"


def finished_record(out: Path, name: str, key: str) -> Record | None:
    """The record of a clip that is built already and whole; None when it must be built."""
    try:
        record = json.loads(record_path(out, name).read_text(encoding="utf-8"))
        whole = (
            record["key"] == key
            and file_hash(out / CLIPS / f"{name}.mp4") == record["sha256"]
            and file_hash(out / TRACKS / f"{name}.npy") == record["track_sha256"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if whole else None


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
