"""What pass 1 learns of a clip and what pass 2 needs: sightings, shots, and the faces to edit, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import DetectedFace

Floats = NDArray[np.float64]

SMALLEST_CROP = 256


def crop_size(quads: Floats, largest: int) -> int:
    """Side in px of the crops of a run, [n, 4, 2] quads: a power of two, no finer than the face ever is in the clip."""
    sides = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    fitting: int = 2 ** int(np.ceil(np.log2(max(1.0, float(sides.max())))))
    return min(largest, max(SMALLEST_CROP, fitting))


@dataclass(frozen=True)
class FrameDetections:
    """One frame as pass 1 saw it: whether a shot starts with it, and the faces in it, the largest first."""

    starts_shot: bool
    faces: tuple[DetectedFace, ...]


@dataclass(frozen=True)
class Shot:
    """Frames start..stop-1 of the clip, between two cuts."""

    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Tracklet:
    """One face from where it appears to where it goes, within one shot.

    number: counts the runs of the clip. shot: index of its shot. start: its first frame.
    quads: float64 [n, 4, 2] steadied quads (see `FaceFrame`), one for each of the n frames.
    presence: float64 [n] in 0..1, how much of the edit is shown: rises and falls where the face comes or goes
    in the middle of a shot, 1 elsewhere.
    scores: float64 [n] detection scores, 0 where the face was not seen and its place is a guess.
    size: side of the crop in px, one for the whole run, so that sharpness does not change on the way.
    """

    number: int
    shot: int
    start: int
    quads: Floats
    presence: Floats
    scores: Floats
    size: int

    @property
    def stop(self) -> int:
        """The frame after the last one."""
        return self.start + len(self.quads)

    def frame(self, index: int, clip_size: tuple[int, int]) -> FaceFrame:
        """Where the face lies in frame `index` of the clip; clip_size is (width, height)."""
        return FaceFrame(self.quads[index - self.start], clip_size, self.size)

    def weight(self, index: int) -> float:
        """`presence` at frame `index` of the clip."""
        return float(self.presence[index - self.start])


@dataclass(frozen=True)
class ClipPlan:
    """The whole clip: (width, height) of a frame, number of frames, shots, and the faces to edit."""

    size: tuple[int, int]
    frames: int
    shots: tuple[Shot, ...]
    runs: tuple[Tracklet, ...]

    def lanes(self) -> list[list[Tracklet]]:
        """The runs dealt out so that those of one lane follow one another: one lane per face seen at a time."""
        lanes: list[list[Tracklet]] = []
        for run in sorted(self.runs, key=lambda run: (run.start, run.number)):
            free = next((lane for lane in lanes if lane[-1].stop <= run.start), None)
            if free is None:
                lanes.append([run])
            else:
                free.append(run)
        return lanes


def shots_of(starts: Sequence[bool]) -> tuple[Shot, ...]:
    """Per frame whether a shot starts with it -> the shots."""
    cuts = [i for i, starts_here in enumerate(starts) if starts_here or i == 0]
    return tuple(Shot(a, b) for a, b in zip(cuts, [*cuts[1:], len(starts)], strict=True))
