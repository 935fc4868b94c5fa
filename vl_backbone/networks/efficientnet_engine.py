"""EfficientNet-lite0 as an OpenVINO graph: several times eager torch's speed on a CPU, same maps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from vl_backbone.networks.efficientnet import PYRAMID_BLOCKS, EfficientNetLite0, MBConv, SameConv, same_pads
from vl_backbone.networks.openvino_runtime import Node, constant, op, ov, request_for


def build_pyramid(network: EfficientNetLite0, side: int, last_block: int) -> ov.Model:
    """The graph [1, 3, side, side] in 0..255 -> the pyramid's maps up to that block."""
    rgb = op.parameter([1, 3, side, side], np.float32, name="rgb")

    def conv(x: Node, layer: SameConv, norm: nn.BatchNorm2d, clip: bool = True) -> Node:
        assert norm.running_mean is not None and norm.running_var is not None
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = layer.weight * scale[:, None, None, None]
        before, after = zip(*(same_pads(n, kernel, stride) for n in list(x.get_output_shape(0))[2:]), strict=True)
        edges = [stride, stride], list(before), list(after), [1, 1]
        if layer.groups > 1:
            x = op.group_convolution(x, constant(weight[:, None]), *edges)
        else:
            x = op.convolution(x, constant(weight), *edges)
        x = op.add(x, constant((norm.bias - norm.running_mean * scale).reshape(1, -1, 1, 1)))
        return op.clamp(x, 0.0, 6.0) if clip else x

    x = op.multiply(op.subtract(rgb, constant(np.array([127.0]))), constant(np.array([1 / 128])))
    x = conv(x, network._conv_stem, network._bn0)
    maps = []
    for i, block in enumerate(network._blocks[: last_block + 1]):
        assert isinstance(block, MBConv)
        y = conv(x, block._expand_conv, block._bn0) if block.expands else x
        y = conv(y, block._depthwise_conv, block._bn1)
        y = conv(y, block._project_conv, block._bn2, clip=False)
        x = op.add(x, y) if block.residual else y
        if i in PYRAMID_BLOCKS:
            maps.append(op.result(x))
    return ov.Model(maps, [rgb], "efficientnet-lite0")


class CompiledPyramid:
    """A compiled EfficientNet-lite0 for square frames of one size; one frame at a time, without gradients."""

    def __init__(self, network: EfficientNetLite0, side: int, last_block: int) -> None:
        self._side = side
        with torch.no_grad():
            self._request = request_for(build_pyramid(network, side, last_block))

    def takes(self, frames: Tensor) -> bool:
        """Whether frames [..., 3, H, W] have its size, are on the CPU, and nobody asks for their gradient."""
        wanted = torch.is_grad_enabled() and frames.requires_grad
        return frames.shape[-2:] == (self._side, self._side) and frames.device.type == "cpu" and not wanted

    def __call__(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """rgb: [B, 3, side, side] in 0..255 on the CPU -> the pyramid's maps, each [B, c, h, w] float32."""
        found = []
        for frame in rgb.detach().float().contiguous().numpy():
            results = self._request.infer([frame[None]], share_inputs=False)
            found.append([results[i].copy() for i in range(len(results))])
        return tuple(torch.from_numpy(np.concatenate(maps)) for maps in zip(*found, strict=True))
