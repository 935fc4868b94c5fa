"""What happens to faces before they arrive as a few pixels: other filters, JPEG, noise. For training."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_mapping.superres.pixels import to_level

# Sides in pixels that are read at each level; the last level also reads larger inputs, which look alike there.
SIDES = {8: (8, 11), 16: (12, 23), 32: (24, 64)}
_FILTERS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def degrade(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 [R, R, 3] -> float32 [side, side, 3] in 0..255: some filter, a third JPEG, two fifths noise."""
    small = Image.fromarray(picture).resize((side, side), _FILTERS[rng.integers(len(_FILTERS))])
    if rng.random() < 0.35:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=int(rng.integers(40, 96)))
        small = Image.open(buffer)
    values = np.asarray(small, dtype=np.float32)
    if rng.random() < 0.4:
        values = np.clip(values + rng.normal(0, rng.uniform(1, 8), values.shape).astype(np.float32), 0, 255)
    return values


def degraded_level(pictures: np.ndarray, level: int, rng: np.random.Generator) -> Tensor:
    """uint8 [N, R, R, 3] -> [N, 3 level^2] in units of 255: every face degraded in its own way, then read."""
    rows = []
    for picture in pictures:
        side = int(rng.integers(SIDES[level][0], SIDES[level][1] + 1))
        values = torch.from_numpy(degrade(picture, side, rng)).permute(2, 0, 1)[None]
        rows.append(to_level(values, level).flatten() / 255)
    return torch.stack(rows)
