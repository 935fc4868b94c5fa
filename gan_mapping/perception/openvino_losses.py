"""The networks that judge a reconstruction, as differentiable OpenVINO graphs: same numbers as their torch modules."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from gan_mapping.losses.reconstruction import PERCEPTUAL_LAST_BLOCK
from gan_mapping.perception.face_network import CHIP_SIZE, MEAN_RGB, Affine, FaceNetwork, chip_box
from vl_backbone.networks.efficientnet import PYRAMID_BLOCKS, EfficientNetLite0, MBConv, SameConv, same_pads
from vl_backbone.networks.openvino_gradient import (
    Variable,
    add,
    average_pool,
    clamp,
    convolution,
    depthwise,
    leaky_relu,
    linear,
    max_pool,
    mean_of_places,
    offset,
    pad_far,
    resample,
    shift_scale,
    unit_columns,
)
from vl_backbone.networks.openvino_runtime import constant


@torch.no_grad()
def perceptual_maps(network: EfficientNetLite0, rgb: Variable) -> list[Variable]:
    """`EfficientNetPerceptual.features` of rgb [1, 3, H, W] in 0..255."""

    def conv(x: Variable, layer: SameConv, norm: nn.BatchNorm2d, clip: bool = True) -> Variable:
        assert norm.running_mean is not None and norm.running_var is not None
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = (layer.weight * scale[:, None, None, None]).numpy()
        before, after = zip(*(same_pads(n, kernel, stride) for n in x.shape[2:]), strict=True)
        if layer.groups > 1:
            x = depthwise(x, weight, stride, before, after)
        else:
            x = convolution(x, weight, stride, before, after)
        x = offset(x, constant((norm.bias - norm.running_mean * scale).reshape(1, -1, 1, 1)))
        return clamp(x, 0.0, 6.0) if clip else x

    x = conv(shift_scale(rgb, -127.0, 1 / 128), network._conv_stem, network._bn0)
    maps = []
    for i, block in enumerate(network._blocks[: PERCEPTUAL_LAST_BLOCK + 1]):
        assert isinstance(block, MBConv)
        y = conv(x, block._expand_conv, block._bn0) if block.expands else x
        y = conv(y, block._depthwise_conv, block._bn1)
        y = conv(y, block._project_conv, block._bn2, clip=False)
        x = add(x, y) if block.residual else y
        if i in PYRAMID_BLOCKS:
            maps.append(unit_columns(x))
    return maps


@torch.no_grad()
def identity_vector(network: FaceNetwork, rgb: Variable) -> Variable:
    """`FaceNetwork.describe` of an FFHQ-aligned rgb [1, 3, R, R] in 0..255 -> [1, 128]."""

    def conv(index: int, x: Variable, stride: int = 1, padding: int = 1) -> Variable:
        layer, gain = network.get_submodule(f"conv{index}"), network.get_submodule(f"affine{index}")
        assert isinstance(layer, nn.Conv2d) and isinstance(gain, Affine) and layer.bias is not None
        weight = layer.weight * gain.weight[:, None, None, None]
        bias = layer.bias * gain.weight + gain.bias
        x = convolution(x, weight.numpy(), stride, (padding, padding), (padding, padding))
        return offset(x, constant(bias.reshape(1, -1, 1, 1)))

    side = rgb.shape[-1]
    rows, columns = chip_filters(side)
    x = resample(rgb, rows, columns)
    mean = np.array(MEAN_RGB, np.float32).reshape(1, 3, 1, 1)
    x = leaky_relu(conv(0, shift_scale(x, -mean, 1 / 256), 2, 0), 0.0)
    x = max_pool(x, 3, 2)
    for index, down in network._blocks:
        y = leaky_relu(conv(index, x, 2 if down else 1, 0 if down else 1), 0.0)
        y = conv(index + 1, y)
        skip = average_pool(x) if down else x
        height, width = (max(a, b) for a, b in zip(y.shape[2:], skip.shape[2:], strict=True))
        x = leaky_relu(add(*(pad_far(t, y.shape[1], height, width) for t in (y, skip))), 0.0)
    fc = network.fc.weight.numpy()
    return linear(mean_of_places(x), fc)


def chip_filters(side: int) -> tuple[np.ndarray, np.ndarray]:
    """`aligned_chips` of a picture of that side as two matrices [150, side]: rows and columns."""
    left, top, right, bottom = chip_box(side)
    return _scaling(side, top, bottom), _scaling(side, left, right)


def _scaling(side: int, first: int, last: int) -> np.ndarray:
    unit = torch.eye(side)[None, None, :, first:last]  # every row a pixel, seen along one axis
    scaled = F.interpolate(unit, size=(side, CHIP_SIZE), mode="bilinear", antialias=True, align_corners=False)
    return scaled[0, 0].T.numpy().copy()
