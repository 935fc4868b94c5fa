"""Photos in one tone, black and white or sepia: an edit must not bring colours into them.

In such a photo a pixel's colour follows from how light it is. That is looked at, and renders are put into the same
tone before they are pasted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdvd.media.photos import luminance

Picture = NDArray[np.uint8]

_NEAR = 8.0  # levels of 0..255: a JPEG keeps colours coarsely, so that they stray at edges ...
_SHARE = 0.95  # ... for so many of the pixels
_CONTRAST = 30.0  # levels between dark and light places; a nearly even picture does not tell its tone
_STRIDE = 4  # every fourth pixel of every fourth row tells enough


def tone_of(photo: Picture) -> NDArray[np.float32] | None:
    """What a level of luminance is coloured with: float32 [256, 3], colour minus luminance; None in a colour photo.

    photo: uint8 [H, W, 3] RGB.
    """
    picture = np.ascontiguousarray(photo[::_STRIDE, ::_STRIDE])
    level = luminance(picture).ravel()
    dark, bright = np.quantile(level, (0.05, 0.95))
    if bright - dark < _CONTRAST:
        return None
    tint = picture.reshape(-1, 3).astype(np.float32) - level[:, None]
    counts = np.bincount(level, minlength=256)
    seen = counts > 0
    means = [np.bincount(level, tint[:, channel], 256)[seen] / counts[seen] for channel in range(3)]
    tone = np.stack([np.interp(np.arange(256), np.flatnonzero(seen), one) for one in means], axis=1).astype(np.float32)
    away = np.abs(tint - tone[level]).max(axis=1)
    return tone if np.quantile(away, _SHARE) <= _NEAR else None


def toned(render: NDArray[np.uint8] | NDArray[np.floating], tone: NDArray[np.float32]) -> Picture:
    """A render [H, W, 3] RGB in 0..255 in that tone, uint8 [H, W, 3]; equal pixels stay equal."""
    level = luminance(np.floor(render + 0.5).astype(np.uint8))
    return np.floor((level[..., None] + tone[level]).clip(0, 255) + 0.5).astype(np.uint8)
