"""Small pictures without the whole drawing: heads that read a 128 or 256 px picture off MobileStyleGAN's features.

The published graph has only its last to_img layer; the low-resolution ones that the network was trained with are lost.
A head takes their place: it starts from the features at 128 px and ends in narrow modulated convolutions, for 256 px
behind the generator's own next up step. It is trained on the generator's own drawings, scaled by area
(`gan_mapping.training.preview_heads`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_mapping.generators.mobile_stylegan import (
    LEAKY_SLOPE,
    NUM_WS,
    W_DIM,
    Block,
    StyledConv,
    Synthesis,
    inverse_haar,
)

PREVIEW_HEADS_FORMAT = "vilaface-preview-heads-1"


@dataclass(frozen=True)
class HeadShape:
    """block: the synthesis block whose output is read (block i ends at 8 * 2^i px).

    up: whether the generator's next up step comes first, which doubles the side.
    widths: channels before the first convolution and after each.
    """

    block: int
    up: bool
    widths: tuple[int, ...]


class PreviewHead(nn.Module):
    """Features of one block -> RGB at `side`.

    Each convolution is modulated by the mean of the w+ rows that act at its depth in the whole network, so that every
    row of a latent moves the picture.
    """

    def __init__(self, side: int, shape: HeadShape) -> None:
        super().__init__()
        self.side, self.shape = side, shape
        first = 1 + 3 * (shape.block + 1)  # the row of the next up step
        self.up_row = first if shape.up else None
        rest = range(first + int(shape.up), NUM_WS)
        count = len(shape.widths)
        cuts = [round(i * len(rest) / count) for i in range(count + 1)]
        self.rows = tuple(tuple(rest[a:b]) for a, b in pairwise(cuts))
        self.convs = nn.ModuleList(StyledConv(a, b, side) for a, b in pairwise(shape.widths))
        self.affine = nn.ModuleList(nn.Linear(W_DIM, width) for width in shape.widths)
        self.to_rgb = nn.Conv2d(shape.widths[-1], 3, 1)

    def styles(self, ws: Tensor) -> list[Tensor]:
        """ws [B, 23, 512] -> a style for each convolution and for to_rgb, [B, channels that it modulates]."""
        return [layer(ws[:, list(rows)].mean(dim=1)) for layer, rows in zip(self.affine, self.rows, strict=True)]

    def forward(
        self, features: Tensor, up_style: Tensor | None, ws: Tensor, corners: list[tuple[int, int]] | None = None
    ) -> Tensor:
        """features [B, C, h, w], up_style [B, C] where there is an up step -> [B, 3, H, W] in about [-1, 1].

        corners: features are cut-outs of the whole, each from its (top, left) in pixels of the features; for training.
        """
        styles = self.styles(ws)
        x = features if up_style is None else inverse_haar(features * up_style[:, :, None, None])
        scale = 1 if up_style is None else 2
        for conv, style in zip(self.convs, styles, strict=False):
            assert isinstance(conv, StyledConv)
            if corners is None:
                x = conv(x, style)
                continue
            high, wide = x.shape[-2:]
            starts = [(scale * top, scale * left) for top, left in corners]
            noise = torch.stack([conv.noise[t : t + high, s : s + wide] for t, s in starts])[:, None]
            x = F.conv2d(x * style[:, :, None, None], conv.depthwise, padding=1, groups=x.shape[1])
            x = F.leaky_relu(F.conv2d(x, conv.pointwise, conv.bias) + noise, LEAKY_SLOPE)
        image: Tensor = self.to_rgb(x * styles[-1][:, :, None, None])
        return image

    @torch.no_grad()
    def initialize(self, synthesis: Synthesis) -> None:
        """Where there is an up step the first two convolutions begin as part of the whole network's; the rest random.

        Randomness comes from torch's global generator.
        """
        for conv, layer in zip(self.convs, self.affine, strict=False):
            assert isinstance(conv, StyledConv) and isinstance(layer, nn.Linear)
            conv.depthwise.normal_(0, 0.05)
            conv.depthwise[:, :, 1, 1] += 1.0
            conv.pointwise.normal_(0, math.sqrt(2 / conv.pointwise.shape[1]))
            conv.noise.zero_()
            conv.bias.zero_()
        for layer in self.affine:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, 0, 0.3 / math.sqrt(W_DIM))
            nn.init.ones_(layer.bias)
        nn.init.normal_(self.to_rgb.weight, 0, 0.3 / math.sqrt(self.shape.widths[-1]))
        if self.to_rgb.bias is not None:
            nn.init.zeros_(self.to_rgb.bias)
        if self.up_row is None:
            return
        block = synthesis.blocks[self.shape.block + 1]
        assert isinstance(block, Block)
        for index, source in enumerate((block.conv1, block.conv2)):
            conv, layer, affine = self.convs[index], self.affine[index], synthesis.affine[self.up_row + 1 + index]
            assert isinstance(conv, StyledConv) and isinstance(layer, nn.Linear) and isinstance(affine, nn.Linear)
            c_out, c_in = conv.pointwise.shape[:2]
            thinned = math.sqrt(source.pointwise.shape[1] / c_in)
            conv.depthwise.copy_(source.depthwise[:c_in])
            conv.pointwise.copy_(source.pointwise[:c_out, :c_in] * thinned)
            conv.noise.copy_(source.noise)
            conv.bias.copy_(source.bias[:c_out])
            layer.weight.copy_(affine.weight[:c_in] * synthesis.scales[self.up_row + 1 + index])
            layer.bias.copy_(affine.bias[:c_in] * synthesis.scales[self.up_row + 1 + index])


class PreviewHeads(nn.Module):
    """One head a side, under the key names of their weight file."""

    SHAPES: ClassVar[dict[int, HeadShape]] = {
        128: HeadShape(4, False, (256, 96, 96, 64)),
        256: HeadShape(4, True, (64, 64, 64, 64)),
    }

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({str(side): PreviewHead(side, shape) for side, shape in self.SHAPES.items()})

    def head(self, side: int) -> PreviewHead:
        """The head of that side."""
        head = self.heads[str(side)]
        assert isinstance(head, PreviewHead)
        return head

    def forward(self, synthesis: Synthesis, ws: Tensor, side: int) -> Tensor:
        """ws [B, 23, 512] -> [B, 3, side, side] in about [-1, 1]; differentiable."""
        head = self.head(side)
        features, styles = features_after(synthesis, ws, head.shape.block)
        image: Tensor = head(features, None if head.up_row is None else styles[head.up_row], ws)
        return image


def features_after(synthesis: Synthesis, ws: Tensor, block: int) -> tuple[Tensor, list[Tensor]]:
    """-> the output of that block, [B, C, r, r], and all 23 styles."""
    s = synthesis.styles(ws)
    x = synthesis.conv1(synthesis.const.expand(ws.shape[0], -1, -1, -1), s[0])
    for i in range(block + 1):
        x = synthesis.blocks[i](x, s[1 + 3 * i], s[2 + 3 * i], s[3 + 3 * i])
    return x, s
