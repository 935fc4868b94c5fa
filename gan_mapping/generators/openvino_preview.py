"""MobileStyleGAN's small picture (`preview_heads`) with its gradient, as OpenVINO graphs.

A gradient to w+ by torch's eager backward pass costs more than ten renders; here the features are drawn only as far as
the head needs them, and the backward pass is part of the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_mapping.generators.mobile_stylegan import LEAKY_SLOPE, NUM_WS, W_DIM, StyledConv, Synthesis
from gan_mapping.generators.openvino_engine import FAR, by_band
from gan_mapping.generators.preview_heads import PreviewHead
from vl_backbone.networks.openvino_gradient import (
    Variable,
    affine,
    convolution,
    depthwise,
    gradients,
    haar_up,
    leaky_relu,
    mean_of,
    modulate,
    offset,
)
from vl_backbone.networks.openvino_runtime import Node, constant, op, ov, request_for


def latent_rows() -> tuple[Node, list[Variable]]:
    """A graph's input ws [1, 23, 512], and its rows as variables [1, 512]."""
    ws = op.parameter([1, NUM_WS, W_DIM], np.float32, name="ws")
    rows = [op.reshape(op.slice(ws, [k], [k + 1], [1], [1]), [1, W_DIM], False) for k in range(NUM_WS)]
    return ws, [Variable(row) for row in rows]


def latent_gradient(seeds: list[tuple[Variable, Node]], rows: list[Variable]) -> Node:
    """The gradient of a sum of losses with respect to w+, [1, 23, 512]; seeds as for `gradients`."""
    parts = gradients(seeds, rows)
    return op.concat([op.reshape(part, [1, 1, W_DIM], False) for part in parts], 1)


def preview_variable(synthesis: Synthesis, head: PreviewHead, rows: list[Variable]) -> Variable:
    """The picture of a head, [1, 3, side, side] in about [-1, 1], as a function of the rows of w+."""
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in synthesis.named_parameters()}

    def style(k: int, order: np.ndarray | slice = slice(None)) -> Variable:
        scale = synthesis.scales[k]
        return affine(rows[k], weights[f"affine.{k}.weight"][order] * scale, weights[f"affine.{k}.bias"][order] * scale)

    def styled(x: Variable, name: str, k: int, order: np.ndarray) -> Variable:
        x = depthwise(modulate(x, style(k)), weights[f"{name}.depthwise"])
        x = convolution(x, weights[f"{name}.pointwise"][order])
        return finish(x, weights[f"{name}.bias"][order], weights[f"{name}.noise"])

    order = by_band(len(weights["conv1.bias"]) // 4)
    x = modulate(Variable(constant(weights["const"])), style(0))
    x = convolution(x, weights["conv1.weight"][order], 1, (1, 1), (1, 1))
    x = finish(x, weights["conv1.bias"][order], weights["conv1.noise"])
    for i in range(head.shape.block + 1):
        x = haar_up(modulate(x, style(1 + 3 * i, order)))
        inner, outer = (len(weights[f"blocks.{i}.conv{n}.bias"]) for n in (1, 2))
        last = i == head.shape.block and head.up_row is None
        order = np.arange(outer) if last else by_band(outer // 4)
        x = styled(x, f"blocks.{i}.conv1", 2 + 3 * i, np.arange(inner))
        x = styled(x, f"blocks.{i}.conv2", 3 + 3 * i, order)
    if head.up_row is not None:
        x = haar_up(modulate(x, style(head.up_row, order)))
    styles = [
        affine(mean_of([rows[k] for k in group]), _array(layer.weight), _array(layer.bias))
        for layer, group in zip(head.affine, head.rows, strict=True)
        if isinstance(layer, nn.Linear)
    ]
    for conv, modulation in zip(head.convs, styles, strict=False):
        assert isinstance(conv, StyledConv)
        x = convolution(depthwise(modulate(x, modulation), _array(conv.depthwise)), _array(conv.pointwise))
        x = finish(x, _array(conv.bias), _array(conv.noise))
    x = convolution(modulate(x, styles[-1]), _array(head.to_rgb.weight))
    return offset(x, constant(_array(head.to_rgb.bias).reshape(1, -1, 1, 1)))


def finish(x: Variable, bias: np.ndarray, noise: np.ndarray) -> Variable:
    """Bias, noise map and activation of a layer."""
    x = offset(x, constant(bias.reshape(1, -1, 1, 1)))
    if np.abs(noise).max() > 0:
        # The clamp, which changes no number, keeps OpenVINO from folding bias and noise into one constant as large as
        # the layer's picture.
        x = offset(Variable(op.clamp(x.node, -FAR, FAR), [(x, lambda g: g)]), constant(noise[None, None]))
    return leaky_relu(x, LEAKY_SLOPE)


def _array(parameter: Tensor | None) -> np.ndarray:
    assert parameter is not None
    return parameter.detach().cpu().float().numpy()


class OpenVINOPreview:
    """A head's picture and its gradient on the CPU, behind torch's autograd; graphs are compiled when first needed."""

    def __init__(self, synthesis: Synthesis, head: PreviewHead) -> None:
        self._synthesis, self._head = synthesis, head
        self._forward: ov.InferRequest | None = None
        self._backward: ov.InferRequest | None = None

    def __call__(self, ws: Tensor) -> Tensor:
        """ws [B, 23, 512] -> [B, 3, side, side]; one picture at a time, differentiable once."""
        images = [_PreviewFunction.apply(row, self) for row in ws.split(1)]  # type: ignore[no-untyped-call]
        return torch.cat(images)

    def draw(self, ws: np.ndarray) -> np.ndarray:
        """ws [1, 23, 512] -> [1, 3, side, side]."""
        if self._forward is None:
            parameter, rows = latent_rows()
            image = preview_variable(self._synthesis, self._head, rows)
            self._forward = request_for(ov.Model([op.result(image.node)], [parameter], "preview"))
        picture: np.ndarray = self._forward.infer([ws], share_inputs=False)[0].copy()
        return picture

    def pull_back(self, ws: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The gradient with respect to ws of a loss whose gradient with respect to the picture is given."""
        if self._backward is None:
            parameter, rows = latent_rows()
            image = preview_variable(self._synthesis, self._head, rows)
            seed = op.parameter(image.shape, np.float32, name="gradient")
            result = op.result(latent_gradient([(image, seed)], rows))
            self._backward = request_for(ov.Model([result], [parameter, seed], "preview-gradient"))
        found: np.ndarray = self._backward.infer([ws, gradient], share_inputs=False)[0].copy()
        return found


class _PreviewFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ws: Tensor, preview: OpenVINOPreview) -> Tensor:
        values = np.ascontiguousarray(ws.detach().float().cpu().numpy())
        ctx.values, ctx.preview = values, preview
        return torch.from_numpy(preview.draw(values))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = np.ascontiguousarray(gradients[0].float().numpy())
        return torch.from_numpy(ctx.preview.pull_back(ctx.values, gradient)), None
