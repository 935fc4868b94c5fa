"""dlib's face recognition ResNet (King 2017, CC0): a face chip to a 128-d vector, in differentiable torch.

Two pictures of one person lie about 0.4 apart (Euclidean), strangers about 0.7; the vectors are not unit length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHIP_SIZE = 150
# (channels, blocks, whether the first block halves the resolution) of each stage
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
MEAN_RGB = (122.782, 117.001, 104.298)


class Affine(nn.Module):
    """Per-channel gain and offset: a batch norm whose statistics were folded in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class FaceNetwork(nn.Module):
    """29 convolutions; keys conv0..28, affine0..28, fc as the converter writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("conv0", nn.Conv2d(3, 32, 7, stride=2))
        self.add_module("affine0", Affine(32))
        self._blocks: list[tuple[int, bool]] = []  # (index of the first convolution, halves)
        index, c_in = 1, 32
        for channels, blocks, halves in STAGES:
            for b in range(blocks):
                down = halves and b == 0
                self._blocks.append((index, down))
                stride, padding = (2, 0) if down else (1, 1)
                self.add_module(f"conv{index}", nn.Conv2d(c_in, channels, 3, stride=stride, padding=padding))
                self.add_module(f"affine{index}", Affine(channels))
                self.add_module(f"conv{index + 1}", nn.Conv2d(channels, channels, 3, padding=1))
                self.add_module(f"affine{index + 1}", Affine(channels))
                index, c_in = index + 2, channels
        self.fc = nn.Linear(256, 128, bias=False)

    def _conv(self, index: int, x: Tensor) -> Tensor:
        y: Tensor = self.get_submodule(f"affine{index}")(self.get_submodule(f"conv{index}")(x))
        return y

    def forward(self, chips: Tensor) -> Tensor:
        """chips: [B, 3, 150, 150] RGB in 0..255, eyes level -> [B, 128]."""
        descriptor: Tensor = self.fc(self.stages(chips)[-1].mean(dim=(2, 3)))
        return descriptor

    def describe(self, images: Tensor) -> Tensor:
        """images: [B, 3, R, R] FFHQ-aligned RGB in 0..255 -> [B, 128]; differentiable."""
        vectors: Tensor = self(aligned_chips(images))
        return vectors

    def stages(self, images: Tensor) -> list[Tensor]:
        """images: [B, 3, H, W] RGB in 0..255 -> feature maps after each stage (32, 64, 128, 256, 256 channels)."""
        mean = torch.tensor(MEAN_RGB, dtype=images.dtype, device=images.device)[:, None, None]
        x = F.relu(self._conv(0, (images - mean) / 256.0))
        x = F.max_pool2d(x, 3, 2)
        maps = []
        for index, down in self._blocks:
            if down:
                maps.append(x)
            y = self._conv(index + 1, F.relu(self._conv(index, x)))
            skip = F.avg_pool2d(x, 2, 2) if down else x
            # dlib adds tensors of unequal size by zero-padding the smaller at its far ends.
            h, w = max(y.shape[2], skip.shape[2]), max(y.shape[3], skip.shape[3])
            x = F.relu(_pad_to(y, y.shape[1], h, w) + _pad_to(skip, y.shape[1], h, w))
        return [*maps, x]


def _pad_to(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    return F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, channels - x.shape[1]))


# The chip inside an FFHQ-aligned picture, as fractions (left, top, right, bottom). dlib's mean shape puts the
# eye centres at (47.7, 47.1), (100.3, 47.1) and the mouth corners at (50.4, 103), (97.6, 103) of 150 px; on
# aligned faces they lie at about (385, 475), (642, 475), (395, 745), (640, 745) of 1024 px.
CHIP_BOX = (152 / 1024, 246 / 1024, 881 / 1024, 975 / 1024)


def chip_box(side: int) -> tuple[int, int, int, int]:
    """`CHIP_BOX` in pixels of an aligned picture of that side: left, top, right, bottom."""
    left, top, right, bottom = (round(v * side) for v in CHIP_BOX)
    return left, top, right, bottom


def aligned_chips(images: Tensor) -> Tensor:
    """images: [B, 3, R, R] FFHQ-aligned RGB, any range -> [B, 3, 150, 150] chips, same range; differentiable."""
    left, top, right, bottom = chip_box(images.shape[-1])
    return F.interpolate(
        images[:, :, top:bottom, left:right], size=CHIP_SIZE, mode="bilinear", antialias=True, align_corners=False
    )
