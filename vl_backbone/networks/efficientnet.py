"""EfficientNet-lite0 (Tan & Le 2019; the "lite" variant without squeeze-excite, with ReLU6) as a feature pyramid.

Key names are those of the public PyTorch port, so its state dict loads strictly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.networks.conv_norm import conv_norm

# (kernel, stride, expansion, output channels, repeats) of each stage
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# Last block of each stage whose output the pyramid returns, with its stride: 24@4, 40@8, 112@16, 192@32, 320@32.
PYRAMID_BLOCKS = (2, 4, 10, 14, 15)
PYRAMID_CHANNELS = (24, 40, 112, 192, 320)
PYRAMID_STRIDES = (4, 8, 16, 32, 32)


def same_pads(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding (the odd pixel goes right and bottom), which the weights were trained with."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class SameConv(nn.Conv2d):
    """Bias-free convolution that `same_conv_norm` pads by the size of its input."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride=stride, groups=groups, bias=False)


def same_conv_norm(x: Tensor, conv: SameConv, norm: nn.BatchNorm2d) -> Tensor:
    """SAME-padded convolution and its batch norm."""
    top, bottom = same_pads(x.shape[-2], conv.kernel_size[0], conv.stride[0])
    left, right = same_pads(x.shape[-1], conv.kernel_size[0], conv.stride[0])
    if (top, left) == (bottom, right):
        return conv_norm(x, conv, norm, padding=(top, left))
    return conv_norm(F.pad(x, (left, right, top, bottom)), conv, norm)


class MBConv(nn.Module):
    """Inverted residual block: expand 1x1, depthwise, project 1x1."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        mid = c_in * expansion
        if expansion != 1:
            self._expand_conv = SameConv(c_in, mid, 1)
            self._bn0 = nn.BatchNorm2d(mid, eps=1e-3)
        self._depthwise_conv = SameConv(mid, mid, kernel, stride, groups=mid)
        self._bn1 = nn.BatchNorm2d(mid, eps=1e-3)
        self._project_conv = SameConv(mid, c_out, 1)
        self._bn2 = nn.BatchNorm2d(c_out, eps=1e-3)
        self.expands = expansion != 1
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(same_conv_norm(x, self._expand_conv, self._bn0)) if self.expands else x
        y = F.relu6(same_conv_norm(y, self._depthwise_conv, self._bn1))
        y = same_conv_norm(y, self._project_conv, self._bn2)
        return x + y if self.residual else y


@dataclass(frozen=True)
class Pyramid:
    """Feature maps by stride: [B, 24, H/4, W/4], [B, 40, H/8, W/8], [B, 112, H/16, W/16], 192 and 320 at /32."""

    maps: tuple[Tensor, ...]


class EfficientNetLite0(nn.Module):
    """ImageNet EfficientNet-lite0 without its classifier; `forward` gives the pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks: list[nn.Module] = []
        c_in = 32
        for kernel, stride, expansion, c_out, repeats in STAGES:
            for r in range(repeats):
                blocks.append(MBConv(c_in, c_out, kernel, stride if r == 0 else 1, expansion))
                c_in = c_out
        self._blocks = nn.ModuleList(blocks)

    def forward(self, rgb: Tensor, last_block: int = PYRAMID_BLOCKS[-1]) -> Pyramid:
        """rgb: [B, 3, H, W] in 0..255. Blocks after `last_block` are not run (and their maps not returned)."""
        x = F.relu6(same_conv_norm((rgb - 127.0) / 128.0, self._conv_stem, self._bn0))
        maps = []
        for i, block in enumerate(self._blocks[: last_block + 1]):
            x = block(x)
            if i in PYRAMID_BLOCKS:
                maps.append(x)
        return Pyramid(tuple(maps))


def without_classifier(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """The public state dict less the head that the pyramid does not use."""
    head = ("_conv_head.", "_bn1.", "_fc.")
    return {k: v for k, v in state_dict.items() if not k.startswith(head)}
