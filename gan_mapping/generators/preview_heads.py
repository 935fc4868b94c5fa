"""Small pictures without the whole drawing: heads that read a 128 or 256 px picture off MobileStyleGAN's features.

The published graph has only its last to_img layer; the low-resolution ones that the network was trained with are lost.
A head takes their place: it starts from the features at half the picture's side, takes the generator's own next up step
and ends in three narrow modulated convolutions. It is trained on the generator's own drawings, scaled by area
(`gan_mapping.training.preview_heads`).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from gan_mapping.generators.mobile_stylegan import W_DIM, Block, StyledConv, Synthesis, inverse_haar


class PreviewHead(nn.Module):
    """Features at half the side -> RGB at `side`.

    block: the index of the synthesis block whose output it reads (`Synthesis.blocks`; block i ends at 8 * 2^i px).
    Each convolution is modulated by the mean of the w+ rows that act at its depth in the whole network, so that every
    row of a latent moves the picture.
    """

    def __init__(self, side: int, block: int, channels: int, width: int) -> None:
        """channels: of the features after the up step."""
        super().__init__()
        self.side, self.block = side, block
        up = 1 + 3 * (block + 1)
        self.up_row = up
        rest = tuple(range(up + 1, 23))
        cuts = [0, 1, 2, (len(rest) + 2) // 2, len(rest)]
        self.rows = tuple(rest[a:b] for a, b in pairwise(cuts))
        widths = (channels, width, width, width)
        self.convs = nn.ModuleList(StyledConv(a, b, side) for a, b in pairwise(widths))
        self.affine = nn.ModuleList(nn.Linear(W_DIM, c) for c in widths)
        self.to_rgb = nn.Conv2d(width, 3, 1)

    def styles(self, ws: Tensor) -> list[Tensor]:
        """ws [B, 23, 512] -> the four styles, each [B, channels that it modulates]."""
        return [layer(ws[:, list(rows)].mean(dim=1)) for layer, rows in zip(self.affine, self.rows, strict=True)]

    def forward(self, features: Tensor, up_style: Tensor, ws: Tensor) -> Tensor:
        """features [B, 4C, side / 2, side / 2], up_style [B, 4C] -> [B, 3, side, side] in about [-1, 1]."""
        styles = self.styles(ws)
        x = inverse_haar(features * up_style[:, :, None, None])
        for conv, style in zip(self.convs, styles, strict=False):
            x = conv(x, style)
        image: Tensor = self.to_rgb(x * styles[-1][:, :, None, None])
        return image

    @torch.no_grad()
    def initialise(self, synthesis: Synthesis) -> None:
        """The first two convolutions begin as a part of the whole network's at that place, the rest at random."""
        block: Block = synthesis.blocks[self.block + 1]  # type: ignore[assignment]
        for index, source in enumerate((block.conv1, block.conv2)):
            conv: StyledConv = self.convs[index]  # type: ignore[assignment]
            k = self.up_row + 1 + index
            target, affine = self.affine[index], synthesis.affine[k]
            assert isinstance(target, nn.Linear) and isinstance(affine, nn.Linear)
            c_out, c_in = conv.pointwise.shape[:2]
            conv.depthwise.copy_(source.depthwise[:c_in])
            thinned = math.sqrt(source.pointwise.shape[1] / c_in)
            conv.pointwise.copy_(source.pointwise[:c_out, :c_in] * thinned)
            conv.noise.copy_(source.noise)
            conv.bias.copy_(source.bias[:c_out])
            target.weight.copy_(affine.weight[:c_in] * synthesis.scales[k])
            target.bias.copy_(affine.bias[:c_in] * synthesis.scales[k])
        last: StyledConv = self.convs[2]  # type: ignore[assignment]
        width = last.depthwise.shape[0]
        last.depthwise.normal_(0, 0.05)
        last.depthwise[:, :, 1, 1] += 1.0
        last.pointwise.normal_(0, math.sqrt(2 / width))
        last.noise.zero_()
        last.bias.zero_()
        for layer in self.affine[2:]:
            assert isinstance(layer, nn.Linear)
            layer.weight.normal_(0, 0.3 / math.sqrt(W_DIM))
            layer.bias.fill_(1.0)
        self.to_rgb.weight.normal_(0, 0.3 / math.sqrt(width))
        nn.init.zeros_(self.to_rgb.bias) if self.to_rgb.bias is not None else None


class PreviewHeads(nn.Module):
    """One head a side, under the key names of their weight file."""

    # side -> (synthesis block, channels after the up step, width)
    SIZES: ClassVar = {128: (3, 128, 96), 256: (4, 64, 64)}

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({str(side): PreviewHead(side, *size) for side, size in self.SIZES.items()})

    def forward(self, synthesis: Synthesis, ws: Tensor, side: int) -> Tensor:
        """ws [B, 23, 512] -> [B, 3, side, side] in about [-1, 1]; differentiable."""
        head = self.heads[str(side)]
        assert isinstance(head, PreviewHead)
        features, styles = features_up_to(synthesis, ws, head.block)
        return head(features, styles[head.up_row], ws)


def features_up_to(synthesis: Synthesis, ws: Tensor, block: int) -> tuple[Tensor, list[Tensor]]:
    """-> the output of that block, [B, C, r, r], and all 23 styles."""
    s = synthesis.styles(ws)
    x = synthesis.conv1(synthesis.const.expand(ws.shape[0], -1, -1, -1), s[0])
    for i in range(block + 1):
        x = synthesis.blocks[i](x, s[1 + 3 * i], s[2 + 3 * i], s[3 + 3 * i])
    return x, s
