"""MobileStyleGAN's synthesis as an OpenVINO graph: three times eager torch's speed on a CPU, same pixels.

The graph is built straight from the torch module's weights (about half a second, nothing cached on disk),
with a w+ input, so the two can never drift apart.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gan_mapping.generators.mobile_stylegan import LEAKY_SLOPE, NUM_WS, W_DIM, Synthesis
from vl_backbone.networks.openvino_runtime import Node, constant, op, ov, request_for

FAR = 1e30  # beyond any value that a layer can have


def _leaky(x: Node) -> Node:
    return op.prelu(x, constant(np.array([LEAKY_SLOPE])))


def by_band(channels: int) -> np.ndarray:
    """Where the inverse wavelet's 4 * channels inputs go so that each band is one block: LL, LH, HL, HH.

    The network orders them (see `mobile_stylegan.inverse_haar`) so that the bands lie scattered, and gathering them
    took a fifth of a picture's time; here the layers before are written in this order instead.
    """
    low = np.arange(channels)
    return np.concatenate([low, *(channels + 3 * low + band for band in range(3))])


def _inverse_haar(x: Node, channels: int) -> Node:
    """`mobile_stylegan.inverse_haar` without its factor 1/2, of x [1, 4 * channels, size, size] in `by_band` order."""
    bounds = [band * channels for band in range(5)]
    low, lh, hl, hh = (op.slice(x, [a], [b], [1], [1]) for a, b in pairwise(bounds))
    top, bottom, across, cross = op.add(low, lh), op.subtract(low, lh), op.add(hl, hh), op.subtract(hl, hh)
    quads = op.concat(
        [op.add(top, across), op.subtract(top, across), op.add(bottom, cross), op.subtract(bottom, cross)], 1
    )
    return op.depth_to_space(quads, "blocks_first", 2)


def _haar_matrix(channels: int) -> np.ndarray:
    """The same as a matrix on channels [4 * channels, 4 * channels], factor 1/2 included, for a layer before it."""
    signs = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=np.float32)
    return np.kron(signs / 2, np.eye(channels, dtype=np.float32))[:, np.argsort(by_band(channels))]


def build_model(synthesis: Synthesis, half: bool = False) -> ov.Model:
    """The graph ws [1, 23, 512] -> image [1, 3, 1024, 1024] of a torch `Synthesis`.

    half: [1, 3, 512, 512] instead, the means of four pixels each, which are the low band of the last wavelet.
    """
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in synthesis.named_parameters()}
    ws = op.parameter([1, NUM_WS, W_DIM], np.float32, name="ws")

    def style(k: int, gain: float = 1.0, order: np.ndarray | slice = slice(None)) -> Node:
        row = op.reshape(op.slice(ws, [k], [k + 1], [1], [1]), [1, W_DIM], False)
        scale = synthesis.scales[k] * gain
        weight, bias = weights[f"affine.{k}.weight"][order] * scale, weights[f"affine.{k}.bias"][order] * scale
        y = op.add(op.matmul(row, constant(weight), False, True), constant(bias[None]))
        return op.reshape(y, [1, len(bias), 1, 1], False)

    def finish(x: Node, name: str, order: np.ndarray) -> Node:
        x = op.add(x, constant(weights[f"{name}.bias"][order].reshape(1, -1, 1, 1)))
        noise = weights[f"{name}.noise"]
        if np.abs(noise).max() > 0:
            # Of two constants in a row OpenVINO would make one, as large as the layer's picture; the process would
            # take 400 MB more. The clamp, which changes no number, keeps the layer's bias and its noise apart.
            x = op.add(op.clamp(x, -FAR, FAR), constant(noise[None, None]))
        return _leaky(x)

    def conv(x: Node, name: str, k: int, order: np.ndarray) -> Node:
        depthwise = weights[f"{name}.depthwise"][:, :, None]
        x = op.multiply(x, style(k))
        x = op.group_convolution(x, constant(depthwise), [1, 1], [1, 1], [1, 1], [1, 1])
        pointwise = weights[f"{name}.pointwise"][order]
        x = op.convolution(x, constant(pointwise), [1, 1], [0, 0], [0, 0], [1, 1])
        return finish(x, name, order)

    order = by_band(len(weights["conv1.bias"]) // 4)
    x = op.multiply(constant(weights["const"]), style(0))
    x = op.convolution(x, constant(weights["conv1.weight"][order]), [1, 1], [1, 1], [1, 1], [1, 1])
    x = finish(x, "conv1", order)
    blocks = len(synthesis.blocks)
    for i in range(blocks):
        # The wavelet's factor 1/2 is linear, so it rides on the style of the step before it.
        x = _inverse_haar(op.multiply(x, style(1 + 3 * i, 0.5, order)), len(order) // 4)
        inner, outer = (len(weights[f"blocks.{i}.conv{half}.bias"]) for half in (1, 2))
        order = by_band(outer // 4) if i + 1 < blocks else np.arange(outer)
        x = conv(x, f"blocks.{i}.conv1", 2 + 3 * i, np.arange(inner))
        x = conv(x, f"blocks.{i}.conv2", 3 + 3 * i, order)
    # The last wavelet follows a linear layer at once and becomes part of it.
    haar = np.eye(3, 12, dtype=np.float32) / 2 if half else _haar_matrix(3)
    to_img = constant(np.tensordot(haar, weights["to_img.weight"], 1))
    x = op.convolution(op.multiply(x, style(NUM_WS - 1)), to_img, [1, 1], [0, 0], [0, 0], [1, 1])
    x = op.add(x, constant((haar @ weights["to_img.bias"]).reshape(1, -1, 1, 1)))
    image = x if half else op.depth_to_space(x, "blocks_first", 2)
    return ov.Model([op.result(image)], [ws], "mobile-stylegan-synthesis")


class OpenVINOSynthesis:
    """A compiled `Synthesis` on the CPU; one picture at a time, so memory does not grow with the batch.

    draft: in bfloat16 (see `has_bf16`) and at half the side.
    """

    def __init__(self, synthesis: Synthesis, threads: int | None = None, draft: bool = False) -> None:
        self._request = request_for(build_model(synthesis, draft), threads, "bf16" if draft else "f32")

    def __call__(self, ws: Tensor) -> Tensor:
        """ws: [B, 23, 512] -> [B, 3, 1024, 1024] (drafts: 512) float32 RGB in about [-1, 1], on the CPU."""
        rows = ws.detach().to("cpu", torch.float32).numpy()
        images = [self._request.infer([row[None]], share_inputs=False)[0].copy() for row in rows]
        return torch.from_numpy(np.concatenate(images))
