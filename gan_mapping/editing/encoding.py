"""From a photo to w by linear layers alone: read it, draw what was read, mend it by what still differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from gan_mapping.mappers.layers import CorrectionMapper, VisionMapper

# Drawings that are looked at. A third one would bring a photo's face a little nearer still, for another render.
LOOKS = 2


class Seen(NamedTuple):
    """A picture of a face as the layers see it: the vision mapper's codes [1, rank], a face network's vector [1, E].

    Without a correction mapper nobody asks for the vector; then E is 0.
    """

    codes: Tensor
    person: Tensor


Look = Callable[[Tensor], Seen]  # ws [1, num_ws, w_dim] -> what the picture drawn with it shows


def read_latent(
    photo: Seen, look: Look, vision: VisionMapper, correction: CorrectionMapper | None, num_ws: int
) -> Tensor:
    """-> ws [1, num_ws, w_dim] of the photo.

    Without a correction mapper one look serves, by the vision mapper itself: the ridge regression pulls every face
    towards the mean; reading our own drawing back shows by how much (further such steps only add noise).
    """
    ws = vision.latent(photo.codes, num_ws)
    if correction is None:
        return 2 * ws - vision.latent(look(ws).codes, num_ws)
    for _ in range(LOOKS):
        drawn = look(ws)
        ws = ws + correction(photo.codes - drawn.codes, photo.person - drawn.person)[:, None]
    return ws
