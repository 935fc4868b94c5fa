"""A small picture of a latent at a fraction of a render's cost, with gradients.

The exported generator has no low-resolution output. A linear head on the features that leave its 32 px block gives
one: rough in its colours, but it moves with the latent as the real picture does, which is what fitting needs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_mapping.generators.mobile_stylegan import CHANNELS, Synthesis
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels
from gan_mapping.superres.pixels import box_filter

PREVIEW_SIDE = 32
_BLOCKS = 3  # 8, 16 and 32 px
HEAD_FEATURES = 2 * CHANNELS[_BLOCKS]  # as they are, and as the next block's style weighs them

Preview = Callable[[Tensor], Tensor]


class PreviewHead(nn.Module):
    """Features of the 32 px block -> RGB in 0..255: one affine map per pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.to_rgb = nn.Conv2d(HEAD_FEATURES, 3, 1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, 1024, 32, 32] -> [B, 3, 32, 32]."""
        rgb: Tensor = self.to_rgb(features)
        return rgb


def preview_features(synthesis: Synthesis, ws: Tensor) -> Tensor:
    """ws [B, 23, 512] -> [B, 1024, 32, 32]; only the first eleven rows are read."""
    styles = synthesis.styles(ws)
    x = synthesis.conv1(synthesis.const.expand(ws.shape[0], -1, -1, -1), styles[0])
    for i in range(_BLOCKS):
        x = synthesis.blocks[i](x, styles[1 + 3 * i], styles[2 + 3 * i], styles[3 + 3 * i])
    return torch.cat([x, x * styles[1 + 3 * _BLOCKS][:, :, None, None]], dim=1)


def preview_of(generator: Generator, head: PreviewHead | None) -> Preview:
    """ws -> [B, 3, 32, 32] in about 0..255, differentiable; the box-filtered full picture without a head for it."""
    network = getattr(generator, "network", None)
    synthesis = getattr(network, "synthesis", None)
    if head is not None and isinstance(synthesis, Synthesis):
        return lambda ws: head(preview_features(synthesis, ws))
    return lambda ws: box_filter(to_levels(generator.synthesis(ws)), PREVIEW_SIDE)
