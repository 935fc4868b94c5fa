"""MobileStyleGAN (Belousov 2021, arXiv 2104.04767) with a true w+ input: one style per modulated layer.

The published OpenVINO graph feeds a single w to 23 affine layers. Here each of them reads its own row,
so w+ is [B, 23, 512]: row 0 is the 4x4 convolution, rows 1+3i, 2+3i, 3+3i are the up step and the two
convolutions of block i (resolution 8 * 2^i), row 22 is to_img. Demodulation is a constant per layer in
this network and is folded into the weights, so unlike StyleGAN2 an activation scales with its style.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_WS = 23
W_DIM = 512
# Channels entering each block's up step, at 4, 8, ..., 256, and leaving the last block at 512.
CHANNELS = (512, 512, 512, 512, 512, 256, 128, 64)
LEAKY_SLOPE = 0.2


def inverse_haar(x: Tensor) -> Tensor:
    """Inverse 2-D Haar wavelet: [B, 4C, H, W] -> [B, C, 2H, 2W].

    The first C channels are the low band; the other 3C hold (LH, HL, HH) of channel 0, then of channel 1, ...
    """
    b, c4, h, w = x.shape
    c = c4 // 4
    low = x[:, :c].reshape(b, c, 1, h, w)
    lh, hl, hh = x[:, c:].reshape(b, c, 3, h, w).split(1, dim=2)
    top, bottom, across, cross = low + lh, low - lh, hl + hh, hl - hh
    quads = torch.cat((top + across, top - across, bottom + cross, bottom - cross), dim=2) * 0.5
    return F.pixel_shuffle(quads.reshape(b, c4, h, w), 2)


class Mapping(nn.Module):
    """z [B, 512] -> w [B, 512]; the mapping network of StyleGAN2 FFHQ config f, with its gains folded in."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(W_DIM, W_DIM) for _ in range(8))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), LEAKY_SLOPE) * math.sqrt(2.0)
        return x


class StyledConv(nn.Module):
    """Modulated depthwise 3x3, then pointwise 1x1, noise, bias, leaky ReLU."""

    def __init__(self, c_in: int, c_out: int, resolution: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(c_in, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(c_out, c_in, 1, 1))
        self.noise = nn.Parameter(torch.empty(resolution, resolution))
        self.bias = nn.Parameter(torch.empty(c_out))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        c_in = self.depthwise.shape[0]
        x = F.conv2d(x * style[:, :, None, None], self.depthwise, padding=1, groups=c_in)
        x = F.conv2d(x, self.pointwise, self.bias) + self.noise
        return F.leaky_relu(x, LEAKY_SLOPE)


class Block(nn.Module):
    """One octave: wavelet up step (modulated), then two modulated convolutions. Styles arrive scaled."""

    def __init__(self, c_in: int, c_out: int, resolution: int) -> None:
        super().__init__()
        self.conv1 = StyledConv(c_in // 4, c_out, resolution)
        self.conv2 = StyledConv(c_out, c_out, resolution)

    def forward(self, x: Tensor, up: Tensor, style1: Tensor, style2: Tensor) -> Tensor:
        x = inverse_haar(x * up[:, :, None, None])
        y: Tensor = self.conv2(self.conv1(x, style1), style2)
        return y


class FirstConv(nn.Module):
    """The dense 3x3 convolution at 4x4 on the learned constant."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(512, 512, 3, 3))
        self.noise = nn.Parameter(torch.empty(4, 4))
        self.bias = nn.Parameter(torch.empty(512))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.conv2d(x * style[:, :, None, None], self.weight, self.bias, padding=1)
        return F.leaky_relu(x + self.noise, LEAKY_SLOPE)


class Synthesis(nn.Module):
    """ws [B, 23, 512] -> RGB [B, 3, 1024, 1024] in about [-1, 1] (not clamped)."""

    def __init__(self) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.empty(1, 512, 4, 4))
        self.conv1 = FirstConv()
        self.blocks = nn.ModuleList(Block(c_in, c_out, 8 * 2**i) for i, (c_in, c_out) in enumerate(pairwise(CHANNELS)))
        self.to_img = nn.Conv2d(CHANNELS[-1], 12, 1)
        widths = [512]
        scales = [1 / math.sqrt(512 * 9)]
        for c_in, c_out in pairwise(CHANNELS):
            widths += [c_in, c_in // 4, c_out]
            scales += [1.0, 1 / math.sqrt(c_in // 4 * 9), 1 / math.sqrt(c_out * 9)]
        widths.append(CHANNELS[-1])
        scales.append(1 / math.sqrt(CHANNELS[-1]))
        self.affine = nn.ModuleList(nn.Linear(W_DIM, width) for width in widths)
        self.scales = tuple(scales)

    def styles(self, ws: Tensor) -> list[Tensor]:
        """The 23 scaled styles, each [B, channels it modulates]."""
        return [layer(ws[:, k]) * self.scales[k] for k, layer in enumerate(self.affine)]

    def forward(self, ws: Tensor) -> Tensor:
        s = self.styles(ws)
        x = self.conv1(self.const.expand(ws.shape[0], -1, -1, -1), s[0])
        for i, block in enumerate(self.blocks):
            x = block(x, s[1 + 3 * i], s[2 + 3 * i], s[3 + 3 * i])
        return inverse_haar(self.to_img(x * s[22][:, :, None, None]))


class MobileStyleGAN(nn.Module):
    """Mapping and synthesis under the key names of the converted weight file."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping = Mapping()
        self.synthesis = Synthesis()
