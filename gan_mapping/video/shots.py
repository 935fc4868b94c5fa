"""Cut detection: where one shot of a clip ends and the next begins. Streams frames; keeps a few thumbnails.

A cut parts *all* frames just before it from *all* frames just after it. So the score of a frame is the smallest
distance between the frames before and those from it on: a camera flash or a single broken frame has likeness on
both sides and scores low, and so does motion, which changes a picture bit by bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]

_THUMBNAIL = (64, 36)
_BINS = 8  # histogram bins per colour channel


@dataclass(frozen=True)
class CutConfig:
    """What counts as a cut.

    reach: frames compared on either side; brighter or broken stretches shorter than this are no cut.
    floor: least distance (0..1) between two shots. contrast: and at least this many times the distance of
    neighbouring frames, so that a fast pan is no row of cuts.
    """

    reach: int = 3
    floor: float = 0.22
    contrast: float = 3.0

    def __post_init__(self) -> None:
        if self.reach < 1 or not 0 < self.floor < 1 or self.contrast < 1:
            raise ValueError("cut detection needs reach >= 1, 0 < floor < 1 and contrast >= 1")


@dataclass(frozen=True, eq=False)
class Signature:
    """A frame boiled down: `structure` float32 [N], zero mean and unit length (all zero when flat); `colours`
    float32 [512], a histogram that sums to 1."""

    structure: NDArray[np.float32]
    colours: NDArray[np.float32]

    @classmethod
    def of(cls, frame: Picture) -> Signature:
        """The signature of a uint8 [H, W, 3] RGB frame."""
        small = np.asarray(Image.fromarray(frame).resize(_THUMBNAIL, Image.Resampling.BOX))
        grey = small.mean(axis=2, dtype=np.float32).ravel()
        grey -= grey.mean()
        length = float(np.linalg.norm(grey))
        # Below a deviation of one level there is nothing but noise to compare.
        structure = (grey / length if length > len(grey) ** 0.5 else 0 * grey).astype(np.float32)
        cells = (small // (256 // _BINS)).reshape(-1, 3).astype(np.intp) @ (_BINS * _BINS, _BINS, 1)
        colours = np.bincount(cells, minlength=_BINS**3).astype(np.float32) / np.float32(len(cells))
        return cls(structure, colours)

    def distance(self, other: Signature) -> float:
        """0 for the same picture, 1 for pictures that share neither shapes nor colours."""
        colours = float(np.abs(self.colours - other.colours).sum()) / 2
        if not (self.structure.any() and other.structure.any()):
            return colours  # a flat picture has no shapes to compare
        return (1.0 - max(0.0, float(self.structure @ other.structure)) + colours) / 2


def shot_starts(frames: Iterable[Picture], config: CutConfig | None = None) -> Iterator[bool]:
    """For every uint8 [H, W, 3] RGB frame whether a shot starts with it; True for the first one.

    Lags behind its input by `reach` frames and holds twice as many signatures, however long the clip.
    """
    config = config or CutConfig()
    reach = config.reach
    before: deque[Signature] = deque(maxlen=reach)
    after: deque[Signature] = deque()
    for frame in frames:
        after.append(Signature.of(frame))
        if len(after) > reach:
            yield _starts(before, after, config)
            before.append(after.popleft())
    while after:
        yield _starts(before, after, config)
        before.append(after.popleft())


def _starts(before: deque[Signature], after: deque[Signature], config: CutConfig) -> bool:
    """Whether a shot starts with the first frame of `after`."""
    if not before:
        return True
    ahead = list(after)[: config.reach]
    score = min(old.distance(new) for old in before for new in ahead)
    if score < config.floor:
        return False
    sides = (list(before), ahead)
    steps = [a.distance(b) for side in sides for a, b in pairwise(side)]
    return score >= config.contrast * float(np.median(steps)) if steps else True
