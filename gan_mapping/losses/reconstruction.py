"""Losses of a reconstruction: each a small function of tensors; weights and steps live with their users."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.networks.efficientnet import EfficientNetLite0

# Strides 4, 8 and 16 of the pyramid: skin and edges, features, layout. Deeper maps name things, they do not draw them.
PERCEPTUAL_LAST_BLOCK = 10


class EfficientNetPerceptual(nn.Module):
    """LPIPS' form (Zhang 2018, eq. 1) on ImageNet features of EfficientNet-lite0, without learned weights."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network

    def features(self, images: Tensor) -> list[Tensor]:
        """images [B, 3, H, W] RGB 0..255 -> unit-length feature columns of three scales."""
        maps = self.network(images, last_block=PERCEPTUAL_LAST_BLOCK).maps
        return [F.normalize(m, dim=1, eps=1e-6) for m in maps]


def perceptual_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Squared distance of feature columns, meaned over places, summed over scales -> [B]."""
    terms = [(x - y).square().sum(1).mean((1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(terms).sum(0)


def pixel_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error of pictures in 0..255, in units of the full range -> [B]."""
    return ((a - b) / 255).square().mean((1, 2, 3))


def identity_distance(vectors: Tensor, target: Tensor) -> Tensor:
    """Squared distance of identity vectors [B, E] -> [B]."""
    return (vectors - target).square().sum(1)


def row_spread(ws: Tensor) -> Tensor:
    """Mean squared distance of the rows of w+ [B, num_ws, w_dim] from their mean: 0 inside W -> [B]."""
    return (ws - ws.mean(dim=1, keepdim=True)).square().sum(2).mean(1)
