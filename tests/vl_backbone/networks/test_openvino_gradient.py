"""Every differentiable operation of an OpenVINO graph against torch's autograd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.mobile_stylegan import inverse_haar
from vl_backbone.networks import openvino_gradient as og
from vl_backbone.networks.openvino_runtime import op, ov, request_for

Both = tuple[Callable[[og.Variable], og.Variable], Callable[[Tensor], Tensor]]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(np.float32)


def _convolution(stride: int, before: tuple[int, int], after: tuple[int, int], kernel: int) -> Both:
    weight = _random(5, 4, kernel, kernel)
    pads = (before[1], after[1], before[0], after[0])
    return (
        lambda x: og.convolution(x, weight, stride, before, after),
        lambda x: F.conv2d(F.pad(x, pads), torch.from_numpy(weight), stride=stride),
    )


def _depthwise(stride: int, before: tuple[int, int], after: tuple[int, int], kernel: int) -> Both:
    weight = _random(4, 1, kernel, kernel)
    pads = (before[1], after[1], before[0], after[0])
    return (
        lambda x: og.depthwise(x, weight, stride, before, after),
        lambda x: F.conv2d(F.pad(x, pads), torch.from_numpy(weight), stride=stride, groups=4),
    )


def _by_band_haar(x: Tensor) -> Tensor:
    channels = x.shape[1] // 4
    low, rest = x[:, :channels], x[:, channels:].unflatten(1, (3, channels)).transpose(1, 2).flatten(1, 2)
    return inverse_haar(torch.cat([low, rest], dim=1))


ROWS, COLUMNS = _random(5, 9), _random(6, 10)
OPERATIONS: dict[str, Both] = {
    "shift_scale": (lambda x: og.shift_scale(x, -2.0, 0.5), lambda x: (x - 2.0) * 0.5),
    "convolution 3x3": _convolution(1, (1, 1), (1, 1), 3),
    "convolution 1x1": _convolution(1, (0, 0), (0, 0), 1),
    "convolution, stride 2, no padding": _convolution(2, (0, 0), (0, 0), 3),
    "convolution, stride 2, uneven padding": _convolution(2, (0, 1), (1, 1), 3),
    "depthwise 3x3": _depthwise(1, (1, 1), (1, 1), 3),
    "depthwise 5x5, stride 2, uneven padding": _depthwise(2, (1, 2), (2, 2), 5),
    "depthwise 3x3, stride 2": _depthwise(2, (0, 0), (1, 1), 3),
    "leaky_relu": (lambda x: og.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2)),
    "clamp": (lambda x: og.clamp(x, -0.5, 0.75), lambda x: x.clamp(-0.5, 0.75)),
    "haar_up": (lambda x: og.haar_up(x, 1.5), lambda x: 1.5 * _by_band_haar(x)),
    "resample": (
        lambda x: og.resample(x, ROWS, COLUMNS),
        lambda x: torch.from_numpy(ROWS) @ x @ torch.from_numpy(COLUMNS).T,
    ),
    "max_pool": (lambda x: og.max_pool(x, 3, 2), lambda x: F.max_pool2d(x, 3, 2)),
    "average_pool": (og.average_pool, lambda x: F.avg_pool2d(x, 2)),
    "pad_far": (lambda x: og.pad_far(x, 6, 11, 12), lambda x: F.pad(x, (0, 2, 0, 2, 0, 2))),
    "mean_of_places": (og.mean_of_places, lambda x: x.mean(dim=(2, 3))),
    "linear": (
        lambda x: og.linear(og.mean_of_places(x), _random(3, 4)),
        lambda x: x.mean(dim=(2, 3)) @ torch.from_numpy(_random(3, 4)).T,
    ),
    "unit_columns": (og.unit_columns, lambda x: F.normalize(x, dim=1, eps=1e-6)),
    "sum of two paths": (lambda x: og.add(x, og.leaky_relu(x, 0.1)), lambda x: x + F.leaky_relu(x, 0.1)),
    "mean of two paths": (
        lambda x: og.mean_of([x, og.clamp(x, -1, 1)]),
        lambda x: (x + x.clamp(-1, 1)) / 2,
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_value_and_gradient_are_torchs(name: str) -> None:
    graph, reference = OPERATIONS[name]
    x = _random(1, 4, 9, 10)
    wanted_x = torch.from_numpy(x).requires_grad_()
    wanted = reference(wanted_x)
    seed = _random(*wanted.shape)
    wanted.backward(torch.from_numpy(seed))
    parameter = op.parameter(list(x.shape), np.float32)
    variable = og.Variable(parameter)
    found = graph(variable)
    gradient_in = op.parameter(found.shape, np.float32)
    (gradient,) = og.gradients([(found, gradient_in)], [variable])
    model = ov.Model([op.result(found.node), op.result(gradient)], [parameter, gradient_in], name)
    results = request_for(model).infer([x, seed], share_inputs=False)
    assert wanted_x.grad is not None
    np.testing.assert_allclose(results[0], wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results[1], wanted_x.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_styles_get_their_share() -> None:
    """`affine` and `modulate`: the gradient reaches the row that a style is made from."""
    x, row, weight, bias = _random(1, 4, 3, 3), _random(1, 7), _random(4, 7), _random(4)
    wanted_row = torch.from_numpy(row).requires_grad_()
    style = wanted_row @ torch.from_numpy(weight).T + torch.from_numpy(bias)
    (torch.from_numpy(x) * style[:, :, None, None]).square().sum().backward()
    parameter = op.parameter([1, 7], np.float32)
    variable = og.Variable(parameter)
    found = og.modulate(og.Variable(og.constant(x)), og.affine(variable, weight, bias))
    (gradient,) = og.gradients([(found, op.multiply(found.node, og.constant(np.array(2.0))))], [variable])
    result = request_for(ov.Model([op.result(gradient)], [parameter], "styles")).infer([row], share_inputs=False)[0]
    assert wanted_row.grad is not None
    np.testing.assert_allclose(result, wanted_row.grad.numpy(), rtol=1e-4)
