"""Between uint8 pictures and float batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def to_batch(crops: Sequence[np.ndarray], size: int | None, device: torch.device) -> Tensor:
    """uint8 [R, R, 3] RGB pictures of one size -> float [B, 3, size, size] in 0..255 (size None: R)."""
    batch = torch.from_numpy(np.stack(crops)).to(device).permute(0, 3, 1, 2).float()
    if size is None or batch.shape[-1] == size:
        return batch
    # The weights of a mean may add up to a hair more than 1, and backbones refuse pixels beyond 255.
    return F.interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 255)


def to_uint8(images: Tensor) -> np.ndarray:
    """[B, 3, R, R] in about [-1, 1] -> uint8 [B, R, R, 3]."""
    scaled = (images.detach().clamp(-1, 1) + 1) * 127.5
    return scaled.round().byte().permute(0, 2, 3, 1).cpu().contiguous().numpy()
