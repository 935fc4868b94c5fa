"""What a super-resolution gives back: plain data, no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fdvd.faces.alignment import FaceFrame

INVENTED_WARNING = (
    "The fine details are invented: many faces fit so few pixels, this is one of them, "
    "and it is no evidence of who is pictured."
)


@dataclass(frozen=True)
class ResolvedFace:
    """One plausible answer.

    image: uint8 [R, R, 3] RGB. ws: [num_ws, w_dim] its latent.
    latent_error, error: mean absolute error (0..255) of the box-filtered render of ws, and of image, against
    the input; the second is after the low-frequency correction.
    """

    image: np.ndarray
    ws: Tensor
    latent_error: float
    error: float


@dataclass(frozen=True)
class SuperResolution:
    """All answers for one input.

    frame: where the face lay in the picture; pixels: uint8 [s, s, 3], the low-resolution face that was read.
    samples: the answers, the most likely first. intents: what the text was understood as, by attribute.
    timings_s: seconds per stage; warnings: plain sentences for the user, the first about what this is not.
    """

    frame: FaceFrame
    pixels: np.ndarray
    samples: list[ResolvedFace]
    intents: dict[str, float]
    timings_s: dict[str, float]
    warnings: list[str]
