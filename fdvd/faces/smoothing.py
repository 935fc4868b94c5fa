"""Steady crops for video: alignment quads smoothed over time by the rule of "Stitch it in Time".

STIT (Tzaban et al. 2022, arXiv 2201.08361) smooths a quad's centre and its axes apart with Gaussians of 1 and
3 frames: the crop follows the head closely, while its size and turn, where detectors jitter most, change slowly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

AXES_SIGMA = 3.0  # frames, STIT's value
CENTRE_SIGMA = 1.0  # frames, STIT's value
_REACH = 4.0  # the kernel ends at this many sigmas


def gaussian_smooth(values: ArrayLike, sigma: float) -> Floats:
    """Gaussian over the first axis, sigma in frames; at the ends the sequence is mirrored, edge value repeated.

    values: [T, ...]. With sigma 0 they come back unchanged. Equal to scipy's gaussian_filter1d(axis=0).
    """
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(sigma) or sigma < 0:
        raise ValueError(f"sigma must be a number of frames of at least 0, got {sigma}")
    length = len(array)
    reach = int(_REACH * sigma + 0.5)
    if reach == 0 or length < 2:
        return array
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    # Mirrored index, period 2T: d c b a | a b c d | d c b a
    folded = (np.arange(length)[:, None] + offsets) % (2 * length)
    rows = np.minimum(folded, 2 * length - 1 - folded)
    flat = array.reshape(length, -1)
    smooth = np.stack([kernel @ flat[row] for row in rows])
    return smooth.reshape(array.shape)


def smooth_quads(quads: ArrayLike, sigma: float = AXES_SIGMA, centre_sigma: float | None = None) -> Floats:
    """Quads of one shot, smoothed over time.

    quads: [T, 4, 2] corners top-left, bottom-left, bottom-right, top-right in photo pixels.
    sigma: frames, for the two axes; centre_sigma: frames, for the centre (default: a third of sigma, STIT's 3:1).
    Returns float64 [T, 4, 2] parallelograms; squares stay squares.
    """
    array = np.asarray(quads, dtype=np.float64)
    if array.ndim != 3 or array.shape[1:] != (4, 2):
        raise ValueError(f"expected quads [T, 4, 2], got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError("quads must be finite; fill the gaps of a track first")
    top_left, bottom_left, bottom_right, top_right = array.transpose(1, 0, 2)
    centre_sigma = sigma * CENTRE_SIGMA / AXES_SIGMA if centre_sigma is None else centre_sigma
    centre = gaussian_smooth(array.mean(axis=1), centre_sigma)
    right = gaussian_smooth((top_right - top_left + bottom_right - bottom_left) / 4, sigma)
    down = gaussian_smooth((bottom_left - top_left + bottom_right - top_right) / 4, sigma)
    corners = [centre - right - down, centre - right + down, centre + right + down, centre + right - down]
    return np.stack(corners, axis=1)
