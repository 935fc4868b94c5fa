"""What an edit gives back: plain data, no files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from gan_mapping.editing.closed_loop import Observation


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
class InvertedFace:
    """A face of a photo as a latent, with all that was computed on the way.

    index: 0 is the largest face of the photo. frame: where it lies in the photo (quad, box, score, warps).
    crop: uint8 [R, R, 3] RGB, the aligned photo. ws: [1, num_ws, w_dim] its latent.
    reconstruction: uint8 [R, R, 3] RGB, the render of ws.
    identity_embeddings: [2, E], of crop and reconstruction.
    observation: what the reconstruction shows; None where the mappers have no attribute reader.
    """

    index: int
    frame: FaceFrame
    crop: np.ndarray
    ws: Tensor
    reconstruction: np.ndarray
    identity_embeddings: Tensor
    observation: Observation | None


@dataclass(frozen=True)
class EditedFace:
    """An inverted face of a photo and its edit.

    inverted: the face before the edit. edited: uint8 [R, R, 3] RGB render at the asked strength.
    ws_edited: [num_ws, w_dim] its latent.
    identity: Euclidean distances in the identity network (same person below about 0.6).
    """

    inverted: InvertedFace
    edited: np.ndarray
    ws_edited: Tensor
    identity: dict[str, float]

    @property
    def index(self) -> int:
        """0 is the largest face of the photo."""
        return self.inverted.index

    @property
    def frame(self) -> FaceFrame:
        """Where the face lies in the photo."""
        return self.inverted.frame

    @property
    def crop(self) -> np.ndarray:
        """uint8 [R, R, 3] RGB, the aligned photo as it was before any edit."""
        return self.inverted.crop

    @property
    def reconstruction(self) -> np.ndarray:
        """uint8 [R, R, 3] RGB, the render at strength 0."""
        return self.inverted.reconstruction

    @property
    def ws(self) -> Tensor:
        """The face's latent, [num_ws, w_dim]."""
        return self.inverted.ws[0]


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
