"""The convolutional trunks that HD-VILA can stand on, behind one shape: frames in 0..255 to stride-16/32 maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.resnet import ResNet50
from vl_backbone.networks.efficientnet import EfficientNetLite0

# Last blocks of EfficientNet-lite0 at strides 16 (112 channels) and 32 (192 channels). The latter map gets the finer
# ones (40 and 112 channels), averaged to its size, beside it: alone it reads faces less well than ResNet-50's 2048
# channels could.
LITE0_BLOCK_16, LITE0_BLOCK_32 = 10, 14
LITE0_CHANNELS = (112, 40 + 112 + 192)


class Lite0Trunk(nn.Module):
    """EfficientNet-lite0 cut after the block whose map is used; it scales the pixels itself."""

    def __init__(self, last_block: int) -> None:
        super().__init__()
        self.network = EfficientNetLite0()
        self.network._blocks = self.network._blocks[: last_block + 1]

    def forward(self, rgb: Tensor, stages: int = 4) -> tuple[Tensor, ...]:
        """As ResNet50.forward: the stride-16 map and, with four stages, the stride-32 map."""
        rgb = rgb.to(self.network._conv_stem.weight.dtype).contiguous(memory_format=torch.channels_last)
        if stages < 4:
            maps: tuple[Tensor, ...] = self.network(rgb, last_block=LITE0_BLOCK_16).maps[2:]
            return maps
        return join_maps(self.network(rgb, last_block=LITE0_BLOCK_32).maps)


def join_maps(maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """EfficientNet-lite0's maps up to stride 32 -> the stride-16 map, and the stride-32 map with the finer ones."""
    fine, middle, coarse = maps[1:]
    size = (coarse.shape[-2], coarse.shape[-1])
    pyramid = (F.adaptive_avg_pool2d(fine, size), F.adaptive_avg_pool2d(middle, size), coarse)
    return middle, torch.cat(pyramid, dim=1)


def build_trunks(config: HDVILAConfig) -> tuple[nn.Module, nn.Module, tuple[int, int]]:
    """(trunk of the HR frame, trunk of the LR frames, channels at strides 16 and 32)."""
    if config.trunk == "efficientnet_lite0":
        return Lite0Trunk(LITE0_BLOCK_32), Lite0Trunk(LITE0_BLOCK_16), LITE0_CHANNELS
    base = config.resnet_base_channels
    # The LR trunk runs three stages only; its fourth belongs to the official checkpoints all the same.
    return ResNet50(base), ResNet50(base), (16 * base, 32 * base)
