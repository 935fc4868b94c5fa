"""MobileStyleGAN's synthesis as an OpenVINO graph: three times eager torch's speed on a CPU, same pixels.

The graph is built straight from the torch module's weights (about half a second, nothing cached on disk),
with a w+ input, so the two can never drift apart.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_mapping.generators.mobile_stylegan import LEAKY_SLOPE, NUM_WS, W_DIM, Synthesis
from vl_backbone.openvino_runtime import Node, constant, op, ov, request_for


def _leaky(x: Node) -> Node:
    return op.prelu(x, constant(np.array([LEAKY_SLOPE])))


def _inverse_haar(x: Node, channels: int, size: int) -> Node:
    """See `mobile_stylegan.inverse_haar`; x is [1, 4 * channels, size, size]."""
    low = op.slice(x, [0], [channels], [1], [1])
    bands = op.slice(x, [channels], [4 * channels], [1], [1])
    bands = op.reshape(bands, [channels, 3, size, size], False)
    low = op.reshape(low, [channels, 1, size, size], False)
    lh, hl, hh = op.split(bands, 1, 3).outputs()
    top, bottom, across, cross = op.add(low, lh), op.subtract(low, lh), op.add(hl, hh), op.subtract(hl, hh)
    quads = op.concat(
        [op.add(top, across), op.subtract(top, across), op.add(bottom, cross), op.subtract(bottom, cross)], 1
    )
    quads = op.reshape(quads, [1, 4 * channels, size, size], False)
    return op.depth_to_space(quads, "depth_first", 2)


def build_model(synthesis: Synthesis) -> ov.Model:
    """The graph ws [1, 23, 512] -> image [1, 3, 1024, 1024] of a torch `Synthesis`."""
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in synthesis.named_parameters()}
    ws = op.parameter([1, NUM_WS, W_DIM], np.float32, name="ws")

    def style(k: int, gain: float = 1.0) -> Node:
        row = op.reshape(op.slice(ws, [k], [k + 1], [1], [1]), [1, W_DIM], False)
        scale = synthesis.scales[k] * gain
        weight, bias = weights[f"affine.{k}.weight"] * scale, weights[f"affine.{k}.bias"] * scale
        y = op.add(op.matmul(row, constant(weight), False, True), constant(bias[None]))
        return op.reshape(y, [1, len(bias), 1, 1], False)

    def conv(x: Node, name: str, k: int) -> Node:
        depthwise = weights[f"{name}.depthwise"][:, :, None]
        x = op.multiply(x, style(k))
        x = op.group_convolution(x, constant(depthwise), [1, 1], [1, 1], [1, 1], [1, 1])
        x = op.convolution(x, constant(weights[f"{name}.pointwise"]), [1, 1], [0, 0], [0, 0], [1, 1])
        x = op.add(x, constant(weights[f"{name}.bias"].reshape(1, -1, 1, 1)))
        noise = weights[f"{name}.noise"]
        if np.abs(noise).max() > 0:
            x = op.add(x, constant(noise[None, None]))
        return _leaky(x)

    x = op.multiply(constant(weights["const"]), style(0))
    x = op.convolution(x, constant(weights["conv1.weight"]), [1, 1], [1, 1], [1, 1], [1, 1])
    x = op.add(x, constant(weights["conv1.bias"].reshape(1, -1, 1, 1)))
    x = _leaky(op.add(x, constant(weights["conv1.noise"][None, None])))
    # The wavelet's factor 1/2 is linear, so it rides on the style of the step before it.
    size = 4
    for i in range(len(synthesis.blocks)):
        channels = len(weights[f"blocks.{i}.conv1.depthwise"])
        x = _inverse_haar(op.multiply(x, style(1 + 3 * i, 0.5)), channels, size)
        size *= 2
        x = conv(x, f"blocks.{i}.conv1", 2 + 3 * i)
        x = conv(x, f"blocks.{i}.conv2", 3 + 3 * i)
    x = op.convolution(
        op.multiply(x, style(NUM_WS - 1)), constant(weights["to_img.weight"]), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    x = op.add(x, constant(weights["to_img.bias"].reshape(1, -1, 1, 1)))
    image = _inverse_haar(op.multiply(x, constant(np.array([0.5]))), 3, size)
    return ov.Model([op.result(image)], [ws], "mobile-stylegan-synthesis")


class OpenVINOSynthesis:
    """A compiled `Synthesis` on the CPU; one picture at a time, so memory does not grow with the batch."""

    def __init__(self, synthesis: Synthesis, threads: int | None = None) -> None:
        self._request = request_for(build_model(synthesis), threads)

    def __call__(self, ws: Tensor) -> Tensor:
        """ws: [B, 23, 512] -> [B, 3, 1024, 1024] float32 RGB in about [-1, 1], on the CPU."""
        rows = ws.detach().to("cpu", torch.float32).numpy()
        images = [self._request.infer([row[None]], share_inputs=False)[0].copy() for row in rows]
        return torch.from_numpy(np.concatenate(images))
