"""What an edit gives back: plain data, no files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from fdvd.faces.alignment import FaceFrame


@dataclass
class StageTimer:
    """Seconds spent per stage, added up over faces."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the `with` block to that stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class EditedFace:
    """One face of a photo.

    index: 0 is the largest face of the photo.
    frame: where it lies in the photo (quad, box, score, warps).
    reconstruction, edited: uint8 [1024, 1024, 3] RGB renders at strength 0 and at the asked strength.
    ws: [num_ws, w_dim] the face's latent; ws_edited: the edited one.
    identity: Euclidean distances in the identity network (same person below about 0.6).
    """

    index: int
    frame: FaceFrame
    reconstruction: np.ndarray
    edited: np.ndarray
    ws: Tensor
    ws_edited: Tensor
    identity: dict[str, float]


@dataclass(frozen=True)
class EditResult:
    """An edited photo.

    rgb: uint8 [H, W, 3], the photo with every edited face pasted back.
    faces: the edited faces; intents: what the text was understood as, by attribute.
    timings_s: seconds per stage; warnings: plain sentences for the user.
    """

    rgb: np.ndarray
    faces: list[EditedFace]
    intents: dict[str, float]
    timings_s: dict[str, float]
    warnings: list[str]


@dataclass(frozen=True)
class GeneratedFace:
    """A face made from a sentence: uint8 [1024, 1024, 3] RGB, its latent [num_ws, w_dim] and its seed."""

    image: np.ndarray
    ws: Tensor
    seed: int
