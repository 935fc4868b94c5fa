"""A small picture of a latent at a fraction of a render's cost, with gradients.

The exported generator has no low-resolution output. A linear head on the features that leave its 32 px block gives
one: rough in its colours, but it moves with the latent as the real picture does, which is what fitting needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from gan_mapping.generators.mobile_stylegan import CHANNELS, Synthesis
from gan_mapping.generators.protocol import Generator
from gan_mapping.superres.pixels import box_filter

PREVIEW_SIDE = 32
_BLOCKS = 3  # 8, 16 and 32 px
_FEATURES = 2 * CHANNELS[_BLOCKS]  # as they are, and as the next block's style weighs them

Preview = Callable[[Tensor], Tensor]


class PreviewHead(nn.Module):
    """Features of the 32 px block -> RGB in 0..255: one affine map per pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.to_rgb = nn.Conv2d(_FEATURES, 3, 1)

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
    return lambda ws: box_filter((generator.synthesis(ws) + 1) * 127.5, PREVIEW_SIDE)


@torch.no_grad()
def fit_head(faces: Iterable[tuple[Tensor, Tensor]], synthesis: Synthesis, penalty: float = 1e-5) -> PreviewHead:
    """faces: (w [w_dim], picture [3, s, s] in 0..255, s at least 16) -> the head, by ridge regression at 16 px.

    The head is linear and the box filter too, so what fits box-filtered features fits the features.
    """
    second = torch.zeros(_FEATURES + 1, _FEATURES + 1)
    cross = torch.zeros(_FEATURES + 1, 3)
    for w, picture in faces:
        features = box_filter(preview_features(synthesis, w.expand(1, len(synthesis.affine), -1)), 16)[0].flatten(1).T
        rows = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        second += rows.T @ rows
        cross += rows.T @ (box_filter(picture[None], 16)[0].flatten(1).T / 255)
    ridge = penalty * second.diagonal().mean() * torch.eye(len(second))
    solved = torch.linalg.solve(second + ridge, cross) * 255
    head = PreviewHead()
    head.load_state_dict({"to_rgb.weight": solved[:-1].T[:, :, None, None], "to_rgb.bias": solved[-1]})
    return head.eval().requires_grad_(False)
