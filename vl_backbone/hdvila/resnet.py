"""ResNet-50 (He et al. 2016) with the stride in the 3x3 convolution.

Key names are those of the public PyTorch ResNet without its classifier.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vl_backbone.networks.conv_norm import conv_norm

# Mean and spread of ImageNet's red, green and blue on the 0..255 scale.
RGB_MEAN = (123.675, 116.28, 103.53)
RGB_STD = (58.395, 57.12, 57.375)
STAGE_BLOCKS = (3, 4, 6, 3)
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, plus the shortcut."""

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        c_out = width * EXPANSION
        self.conv1 = nn.Conv2d(c_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        y = conv_norm(x, self.conv1, self.bn1).relu_()
        y = conv_norm(y, self.conv2, self.bn2).relu_()
        y = conv_norm(y, self.conv3, self.bn3)
        if self.downsample is not None:
            conv, norm = self.downsample
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            x = conv_norm(x, conv, norm)
        return y.add_(x).relu_()


class ResNet50(nn.Module):
    """The four stages; 16 and 32 times `base_channels` channels at strides 16 and 32."""

    def __init__(self, base_channels: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, base_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(base_channels)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        c_in = base_channels
        for i, blocks in enumerate(STAGE_BLOCKS):
            width = base_channels * 2**i
            stage = [Bottleneck(c_in, width, 1 if i == 0 else 2)]
            c_in = width * EXPANSION
            stage += [Bottleneck(c_in, width, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(*stage))

    def forward(self, rgb: Tensor, stages: int = 4) -> tuple[Tensor, ...]:
        """rgb: [B, 3, H, W] float32 in 0..255 -> the maps of stage 3 (stride 16) and, when asked for, 4 (stride 32)."""
        mean, std = (torch.tensor(v, device=rgb.device)[:, None, None] for v in (RGB_MEAN, RGB_STD))
        x = ((rgb - mean) / std).to(self.conv1.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = self.maxpool(conv_norm(x, self.conv1, self.bn1).relu_())
        maps = []
        for number in range(1, stages + 1):
            x = self.get_submodule(f"layer{number}")(x)
            if number >= 3:
                maps.append(x)
        return tuple(maps)
