"""From a photo to w by linear layers alone: read it, draw what was read, correct it by what still differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from gan_mapping.mappers.layers import CorrectionMapper, VisionMapper

# Corrections by a drawing. A third one would bring a photo's face a little nearer still, for another render.
CORRECTIONS = 2


class Seen(NamedTuple):
    """A picture of a face as the layers that read latents see it.

    codes: [1, rank] the vision mapper's. identity_embedding: [1, E] the face network's; E is 0 without a correction
    mapper, which alone asks for it.
    """

    codes: Tensor
    identity_embedding: Tensor


Recognise = Callable[[Tensor], Seen]  # ws [1, num_ws, w_dim] -> what the picture drawn with it shows


def read_latent(
    photo: Seen, recognise: Recognise, vision: VisionMapper, correction: CorrectionMapper | None, num_ws: int
) -> Tensor:
    """-> ws [1, num_ws, w_dim] of the photo.

    Without a correction mapper one drawing serves, by the vision mapper itself: the ridge regression pulls every face
    towards the mean; reading our own drawing back shows by how much (further such steps only add noise).
    """
    ws = vision.latent(photo.codes, num_ws)
    if correction is None:
        return 2 * ws - vision.latent(recognise(ws).codes, num_ws)
    for _ in range(CORRECTIONS):
        drawn = recognise(ws)
        step = correction(photo.codes - drawn.codes, photo.identity_embedding - drawn.identity_embedding)
        ws = ws + step[:, None]
    return ws
