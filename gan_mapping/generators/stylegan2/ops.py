"""The two costly operations of StyleGAN2's synthesis, with gradients written out by hand.

Everything between an input feature map and the activation that leaves a layer is one differentiable step. Its
backward pass keeps nothing but the input and the output, and never asks for the gradient of a modulated weight:
the gradient of a style is a sum over input times input gradient, that of a demodulation factor a sum over output
times output gradient. Feature maps are channels-last, which a CPU convolves about twice as fast.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

LEAKY_SLOPE = 0.2
GAIN = math.sqrt(2.0)


def filter_bank(resample_filter: Tensor, channels: int, dtype: torch.dtype) -> Tensor:
    """[4, 4] blur of sum 1 -> [channels, 1, 4, 4] kernels that make up for the zeros between samples (gain 4)."""
    kernel = resample_filter.to(dtype).flip(0, 1) * 4
    return kernel.expand(channels, 1, 4, 4).contiguous(memory_format=torch.channels_last)


def upsample(image: Tensor, resample_filter: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 2H, 2W]: zeros between the samples, then the blur; as four small filters at once."""
    b, c, h, w = image.shape
    # Padded by 2 before and 1 after, output 2i reads samples i-1, i by taps 0, 2 and 2i+1 reads i, i+1 by 1, 3.
    taps = resample_filter.to(image.dtype).flip(0, 1) * 4
    phases = taps.new_zeros(4, 1, 3, 3)
    rows = ((slice(0, 2), slice(0, None, 2)), (slice(1, 3), slice(1, None, 2)))
    for i, (place_y, taps_y) in enumerate(rows):
        for j, (place_x, taps_x) in enumerate(rows):
            phases[2 * i + j, 0, place_y, place_x] = taps[taps_y, taps_x]
    fine = F.conv2d(image.reshape(b * c, 1, h, w), phases, padding=1)
    return F.pixel_shuffle(fine, 2).reshape(b, c, 2 * h, 2 * w)


def styled_convolution(
    x: Tensor,
    style: Tensor,
    demodulation: Tensor,
    weight: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    resample_filter: Tensor | None,
    clamp: float | None,
) -> Tensor:
    """One synthesis layer: modulated 3x3 convolution, noise, bias, leaky ReLU, gain sqrt 2, clamp.

    x [B, I, H, W]; style [B, I]; demodulation [B, O]; weight [O, I, 3, 3]; bias [O]; noise broadcastable to the
    output, its strength applied, or None; resample_filter [4, 4] doubles the resolution, None keeps it.
    -> [B, O, H', W']. Differentiable once, towards x, style and demodulation; weight, bias and noise are constants.
    """
    arguments = (x, style, demodulation * GAIN, weight, bias, noise, resample_filter, clamp)
    if torch.is_grad_enabled():
        y: Tensor = _StyledConvolution.apply(*arguments)  # type: ignore[no-untyped-call]
        return y
    return _forward(*arguments)


def _forward(
    x: Tensor,
    style: Tensor,
    factor: Tensor,
    weight: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    resample_filter: Tensor | None,
    clamp: float | None,
) -> Tensor:
    # The gain goes into factor, bias and noise: leaky ReLU commutes with a positive scale.
    bias = bias.to(x.dtype) * GAIN
    per_weight = x.shape[0] == 1 and x.numel() >= weight.numel()
    if per_weight:
        kernel = (weight * style[0, :, None, None] * factor[0, :, None, None, None]).to(x.dtype)
    else:
        x, kernel = x * style.to(x.dtype)[:, :, None, None], weight.to(x.dtype)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    early = bias if per_weight else None
    if resample_filter is None:
        y = F.conv2d(x, kernel, early, padding=1)
    else:
        y = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
        y = F.conv2d(y, filter_bank(resample_filter, len(weight), x.dtype), early, padding=1, groups=len(weight))
    if not per_weight:
        y.mul_(factor.to(y.dtype)[:, :, None, None]).add_(bias[:, None, None])
    if noise is not None:
        y.add_(noise.to(y.dtype) * GAIN)
    F.leaky_relu_(y, LEAKY_SLOPE)
    return y if clamp is None else y.clamp_(-clamp, clamp)


class _StyledConvolution(torch.autograd.Function):
    """`_forward` with its gradient; `factor` is the demodulation times the gain."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        x, style, factor, weight, bias, noise, resample_filter, clamp = arguments
        out = _forward(x, style, factor, weight, bias, noise, resample_filter, clamp)
        ctx.save_for_backward(x, style, factor, weight, bias, noise, resample_filter, out)
        ctx.clamp = clamp
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, style, factor, weight, bias, noise, resample_filter, out = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        if ctx.clamp is not None:
            grad = grad * (out.abs() < ctx.clamp)
        inner = torch.ops.aten.leaky_relu_backward(grad, out, LEAKY_SLOPE, True)
        # inner * (value before the activation) = grad * out, since the activation is linear on either side of 0.
        moved = _dot(grad, out) - inner.sum((2, 3)) * bias * GAIN
        if noise is not None:
            moved = moved - _dot(inner, (noise * GAIN).expand_as(inner))
        inner = inner * factor[:, :, None, None]
        if resample_filter is None:
            back = F.conv2d(inner, weight.flip(2, 3).transpose(0, 1), padding=1)
        else:
            bank = filter_bank(resample_filter, len(weight), inner.dtype).flip(2, 3)
            inner = F.conv2d(inner, bank, padding=2, groups=len(weight))
            back = F.conv2d(inner, weight.transpose(0, 1), stride=2)
        style_grad = _dot(x, back)
        x_grad = back.mul_(style[:, :, None, None]) if ctx.needs_input_grad[0] else None
        return x_grad, style_grad, moved / factor, None, None, None, None, None


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """[B, C, H, W] twice -> [B, C]: products summed over places."""
    return (a * b).sum((2, 3))
