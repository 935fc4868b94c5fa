"""LPIPS (Zhang et al. 2018, arXiv 1801.03924): learned weights of the lpips package on a VGG16 or AlexNet trunk.

The trunks are torchvision's, under torchvision's key names; torchvision itself is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_mapping.images import to_signed
from vl_backbone.common.errors import WeightsError

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10


@dataclass(frozen=True)
class Convolution:
    """One convolution of a trunk: its index in torchvision's `features`, sizes, and what comes with it.

    pool: kernel of the max pooling (stride 2) right before it, 0 for none. tap: LPIPS reads what leaves its ReLU.
    """

    index: int
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    pool: int = 0
    tap: bool = False


def _vgg16() -> tuple[Convolution, ...]:
    layers, index, inputs = [], 0, 3
    for stage, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        index += stage > 0
        for i in range(count):
            pool = 2 if stage and not i else 0
            layers.append(Convolution(index, inputs, width, pool=pool, tap=i == count - 1))
            index, inputs = index + 2, width
    return tuple(layers)


TRUNKS = {
    "vgg": _vgg16(),
    "alex": (
        Convolution(0, 3, 64, 11, 4, 2, tap=True),
        Convolution(3, 64, 192, 5, 1, 2, pool=3, tap=True),
        Convolution(6, 192, 384, pool=3, tap=True),
        Convolution(8, 384, 256, tap=True),
        Convolution(10, 256, 256, tap=True),
    ),
}


class LPIPS(nn.Module):
    """Perceptual features whose squared distances, meaned over places and summed over scales, are LPIPS.

    net: "vgg" or "alex". State: features.N.{weight,bias} (torchvision) and lin0..lin4 [C] (lpips).
    """

    def __init__(self, net: str) -> None:
        super().__init__()
        self.trunk = TRUNKS[net]
        self.features_by_index = nn.ModuleDict()
        taps = 0
        for layer in self.trunk:
            conv = nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding)
            self.features_by_index[str(layer.index)] = conv
            if layer.tap:
                self.register_buffer(f"lin{taps}", torch.empty(layer.outputs))
                taps += 1

    def features(self, images: Tensor) -> list[Tensor]:
        """images [B, 3, H, W] RGB 0..255 -> five maps, weighted so that their squared distance is LPIPS (eq. 1)."""
        shift = torch.tensor(SHIFT, dtype=images.dtype, device=images.device)[:, None, None]
        scale = torch.tensor(SCALE, dtype=images.dtype, device=images.device)[:, None, None]
        x = (to_signed(images) - shift) / scale
        maps: list[Tensor] = []
        for layer in self.trunk:
            if layer.pool:
                x = F.max_pool2d(x, layer.pool, 2)
            x = F.relu(self.features_by_index[str(layer.index)](x))
            if layer.tap:
                # vector_norm, unlike a written-out root, has a gradient where all channels are 0.
                length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
                weight = self.get_buffer(f"lin{len(maps)}").clamp(min=0).sqrt()
                maps.append(x / (length + EPSILON) * weight[:, None, None])
        return maps

    def load(self, trunk: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> LPIPS:
        """Takes the trunk's and the heads' tensors, as `trunk_state` and the weight store give them; returns itself."""
        state = {f"features_by_index.{key.removeprefix('features.')}": tensor for key, tensor in trunk.items()}
        self.load_state_dict({**state, **heads})
        return self


def trunk_state(net: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's vgg16 or alexnet file -> the tensors of its `features`; the classifier is left out.

    Raises WeightsError when they are not exactly that network's.
    """
    kept = {key: tensor for key, tensor in state.items() if key.startswith("features.")}
    wanted: dict[str, tuple[int, ...]] = {}
    for layer in TRUNKS[net]:
        wanted[f"features.{layer.index}.weight"] = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
        wanted[f"features.{layer.index}.bias"] = (layer.outputs,)
    wrong = [key for key in {**wanted, **kept} if key not in kept or wanted.get(key) != tuple(kept[key].shape)]
    if wrong:
        name = {"vgg": "VGG16", "alex": "AlexNet"}[net]
        raise WeightsError(
            f"The file is not torchvision's {name}: {sorted(wrong)[0][:80]} and {len(wrong) - 1} more tensors are "
            "missing, superfluous or of another shape."
        )
    return kept
