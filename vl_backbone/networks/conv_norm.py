"""A convolution and the batch norm behind it, in one step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d, padding: tuple[int, int] | None = None) -> Tensor:
    """`norm(conv(x))`; in evaluation mode the norm is folded into the weights where that is less work.

    Differentiable in x and in all weights. padding: zeros at the edges (height, width) instead of the convolution's.
    """
    edge = conv.padding if padding is None else padding
    pixels = x.shape[0] * x.shape[2] * x.shape[3] // (conv.stride[0] * conv.stride[1])
    if norm.training or norm.running_var is None or norm.running_mean is None or pixels < conv.weight[0].numel():
        y: Tensor = norm(F.conv2d(x, conv.weight, None, conv.stride, edge, conv.dilation, conv.groups))
        return y
    scale = norm.weight.float() * torch.rsqrt(norm.running_var.float() + norm.eps)
    shift = (norm.bias.float() - norm.running_mean.float() * scale).to(conv.weight.dtype)
    weight = (conv.weight * scale[:, None, None, None]).to(conv.weight.dtype)
    return F.conv2d(x, weight, shift, conv.stride, edge, conv.dilation, conv.groups)
