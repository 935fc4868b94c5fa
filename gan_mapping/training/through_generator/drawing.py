"""Drawing faces inside a loss: full resolution, then scaled down, with or without kept activations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels


def draw(generator: Generator, ws: Tensor, thrifty: bool = False) -> Tensor:
    """ws [B, num_ws, w_dim] -> [B, 3, R, R] RGB in about 0..255, not clamped; differentiable.

    thrifty: one face at a time, of which nothing is kept; the backward pass draws it once more (activation
    checkpointing). Memory is then that of one face, however large the batch.
    """
    if thrifty and torch.is_grad_enabled():
        rows: list[Tensor] = [checkpoint(generator.synthesis, row, use_reentrant=False) for row in ws.split(1)]
        image = torch.cat(rows)
    else:
        image = generator.synthesis(ws)
    return to_levels(image)


def scaled(pictures: Tensor, side: int) -> Tensor:
    """[B, 3, R, R] -> [B, 3, side, side], averaging when it shrinks; as `images.to_batch` but for the rounding."""
    if pictures.shape[-1] == side:
        return pictures
    return F.interpolate(pictures, size=side, mode="bilinear", antialias=True, align_corners=False)
