"""Between uint8 pictures and float batches, and between the ranges that networks speak: [-1, 1] and 0..255."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def halved(picture: np.ndarray) -> np.ndarray:
    """uint8 [R, R, 3] -> uint8 [R / 2, R / 2, 3], every pixel the mean of four."""
    return np.asarray(Image.fromarray(picture).reduce(2))


def to_batch(crops: Sequence[np.ndarray], size: int | None, device: torch.device) -> Tensor:
    """uint8 [R, R, 3] RGB pictures of one size -> float [B, 3, size, size] in 0..255 (size None: R)."""
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
    if size is not None and batch.shape[-1] != size:
        # Whole numbers are several times faster to scale here, and the rounding is below a picture's own.
        batch = F.interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False)
    return batch.to(device).float()


def to_levels(signed: Tensor) -> Tensor:
    """A generator's range, [-1, 1], to levels, 0..255: any shape, a new tensor, differentiable, nothing clamped."""
    return (signed + 1) * 127.5


def to_signed(levels: Tensor) -> Tensor:
    """Levels, 0..255, to [-1, 1]: `to_levels` backwards."""
    return levels / 127.5 - 1


def to_uint8(images: Tensor) -> np.ndarray:
    """[B, 3, R, R] in about [-1, 1] -> uint8 [B, R, R, 3]."""
    scaled = images.detach().clamp(-1, 1).add_(1).mul_(127.5)
    return scaled.round_().byte().permute(0, 2, 3, 1).cpu().contiguous().numpy()
