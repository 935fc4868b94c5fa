"""Following faces through a shot: detection in every frame, association by overlap, gaps interpolated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fdvd.faces.alignment import ffhq_quad
from fdvd.faces.detection.mtcnn import DetectedFace
from vl_backbone.common.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MIN_OVERLAP = 0.3  # intersection over union of a face's boxes in neighbouring detections
MAX_GAP = 15  # frames a face may be lost and still be the same face


class FaceFinder(Protocol):
    """What finds the faces of one picture; `fdvd.faces.detection.FaceDetector` does."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        """uint8 [H, W, 3] RGB -> faces."""
        ...


@dataclass(frozen=True, eq=False)
class Track:
    """One face through the T frames of a shot.

    boxes [T, 4], landmarks [T, 5, 2] (as in DetectedFace), scores [T]: finite in every frame; where the face was
    not found they are interpolated, and before the first and after the last find they are held.
    found [T]: the detector saw the face. tracked [T]: found, or lost for at most the allowed gap; in the other
    frames the face is taken to be out of sight.
    """

    boxes: Floats
    landmarks: Floats
    scores: Floats
    found: Bools
    tracked: Bools

    def __len__(self) -> int:
        return len(self.found)

    def quads(self) -> Floats:
        """[T, 4, 2] FFHQ quads of the frames, not smoothed (see fdvd.faces.smoothing.smooth_quads)."""
        return np.stack([ffhq_quad(points) for points in self.landmarks])

    @property
    def prominence(self) -> float:
        """Summed area of the found boxes: large and long in view."""
        sides = np.clip(self.boxes[self.found, 2:] - self.boxes[self.found, :2], 0, None)
        return float(sides.prod(axis=1).sum())


@dataclass
class _Trail:
    """Detections of one face so far, by frame number."""

    frames: list[int] = field(default_factory=list)
    faces: list[DetectedFace] = field(default_factory=list)

    def add(self, number: int, face: DetectedFace) -> None:
        self.frames.append(number)
        self.faces.append(face)


def overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    inside = float(sides.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - inside
    return inside / union if union > 0 else 0.0


def find_tracks(
    frames: Iterable[NDArray[np.uint8]],
    detector: FaceFinder,
    *,
    min_overlap: float = MIN_OVERLAP,
    max_gap: int = MAX_GAP,
    every: int = 1,
) -> list[Track]:
    """All faces of a shot, the most prominent first; empty when there is none.

    frames: uint8 [H, W, 3] RGB pictures, looked at one by one and not kept.
    min_overlap: least intersection over union with the face's last box. max_gap: frames it may be lost.
    every: look for faces in every n-th frame only and interpolate between.
    """
    found = (detector.detect(rgb) if number % every == 0 else [] for number, rgb in enumerate(frames))
    return link_faces(found, min_overlap=min_overlap, max_gap=max_gap, every=every)


def link_faces(
    detections: Iterable[Sequence[DetectedFace]],
    *,
    min_overlap: float = MIN_OVERLAP,
    max_gap: int = MAX_GAP,
    every: int = 1,
) -> list[Track]:
    """find_tracks for faces found already: detections holds those of every frame (of every n-th, others empty)."""
    trails: list[_Trail] = []
    count = 0
    for number, faces in enumerate(detections):
        count = number + 1
        if number % every == 0:
            alive = [trail for trail in trails if number - trail.frames[-1] <= max_gap + every]
            trails += _associate(alive, number, faces, min_overlap)
    tracks = [_filled(trail, count, max_gap + every - 1) for trail in trails]
    return sorted(tracks, key=lambda track: -track.prominence)


def track_faces(
    frames: Iterable[NDArray[np.uint8]],
    detector: FaceFinder,
    *,
    min_overlap: float = MIN_OVERLAP,
    max_gap: int = MAX_GAP,
    every: int = 1,
) -> Track:
    """The most prominent face of a shot; InputError when no frame shows a face. Settings as for find_tracks."""
    tracks = find_tracks(frames, detector, min_overlap=min_overlap, max_gap=max_gap, every=every)
    if not tracks:
        raise InputError("no face was found in any frame; use a clip that shows one")
    return tracks[0]


def _associate(trails: list[_Trail], number: int, faces: Sequence[DetectedFace], min_overlap: float) -> list[_Trail]:
    """Extends the trails, best overlap first, each by at most one face; the faces left over start new ones."""
    pairs = [
        (overlap(trail.faces[-1].box, face.box), t, f) for t, trail in enumerate(trails) for f, face in enumerate(faces)
    ]
    used_trails: set[int] = set()
    used_faces: set[int] = set()
    for shared, t, f in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if shared < min_overlap:
            break
        if t not in used_trails and f not in used_faces:
            trails[t].add(number, faces[f])
            used_trails.add(t)
            used_faces.add(f)
    return [_Trail([number], [face]) for f, face in enumerate(faces) if f not in used_faces]


def _filled(trail: _Trail, count: int, max_gap: int) -> Track:
    """A trail over all `count` frames."""
    known = np.array(trail.frames)
    wanted = np.arange(count)

    def spread(values: Floats) -> Floats:
        flat = values.reshape(len(known), -1)
        return np.stack([np.interp(wanted, known, column) for column in flat.T], axis=1).reshape(
            count, *values.shape[1:]
        )

    found = np.zeros(count, dtype=bool)
    found[known] = True
    before = np.maximum.accumulate(np.where(found, wanted, -1))
    after = np.minimum.accumulate(np.where(found, wanted, count)[::-1])[::-1]
    inside = (before >= 0) & (after < count)
    lost = np.where(inside, after - before - 1, np.where(before < 0, after - wanted, wanted - before))
    return Track(
        boxes=spread(np.stack([face.box for face in trail.faces])),
        landmarks=spread(np.stack([face.landmarks for face in trail.faces])),
        scores=spread(np.array([face.score for face in trail.faces], dtype=np.float64)),
        found=found,
        tracked=found | (lost <= max_gap),
    )
