"""How much an edited clip flickers, measured against its source.

Jitter is the mean size of the second difference over time: what moves evenly counts nothing, what trembles
counts fully. It is taken of what the edit added (edited minus source), so the source's own motion drops out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fdvd.faces.alignment import FaceFrame

Floats = NDArray[np.float64]


def jitter(values: ArrayLike) -> float:
    """values: [T, ..., D], vectors over time -> mean length of x[t + 1] - 2 x[t] + x[t - 1]; nan below 3 frames.

    Frames that hold a nan (nothing measured) are left out together with their neighbours.
    """
    array = np.asarray(values, dtype=np.float64)
    lengths = np.linalg.norm(np.diff(array, n=2, axis=0), axis=-1)
    return float(np.nanmean(lengths)) if np.isfinite(lengths).any() else float("nan")


def landmark_error(edited: ArrayLike, source: ArrayLike) -> float:
    """Temporal landmark error (TLME, as PGTFormer uses it): mean length of the difference of the two motions.

    edited, source: [T, 5, 2] points in px, nan where no face was found.
    """
    deviation = np.asarray(edited, dtype=np.float64) - np.asarray(source, dtype=np.float64)
    steps = np.linalg.norm(np.diff(deviation, axis=0), axis=-1)
    return float(np.nanmean(steps)) if np.isfinite(steps).any() else float("nan")


def coarse_difference(
    edited: NDArray[np.uint8], source: NDArray[np.uint8], quad: Floats, cells: int = 32
) -> NDArray[np.float32]:
    """What the edit did to a frame, coarsely and in the face's own frame: float32 [cells, cells, 3] levels.

    edited, source: uint8 [H, W, 3]; quad: [4, 2] of the face, the same for both.
    """
    frame = FaceFrame(quad, (source.shape[1], source.shape[0]), 8 * cells)
    small = [
        np.asarray(Image.fromarray(frame.crop(picture)).reduce(8), dtype=np.float32) for picture in (edited, source)
    ]
    return small[0] - small[1]


def coarse_jitter(differences: Sequence[NDArray[np.float32]]) -> float:
    """Jitter of `coarse_difference` over the frames of a shot, in levels of 0..255."""
    return jitter(np.stack(differences))
