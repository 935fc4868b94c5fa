"""Reverse-mode differentiation of OpenVINO graphs: the forward pass and its gradient as one inference graph.

Torch's eager backward pass of a convolutional network takes several times what OpenVINO takes for the same
arithmetic. A `Variable` remembers how its node came about; `gradients` adds the nodes of the backward pass, so that a
single call of the compiled graph gives a loss and its gradient. Batch size 1; weights are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vl_backbone.networks.openvino_runtime import Node, constant, op

Pull = Callable[[Node], Node]  # gradient of the output -> its share in the gradient of one input


@dataclass(eq=False)
class Variable:
    """A node, and the variables it was made from with the way a gradient takes back to each."""

    node: Node
    parents: Sequence[tuple[Variable, Pull]] = field(default_factory=tuple)

    @property
    def shape(self) -> list[int]:
        """Static sizes."""
        return list(self.node.get_output_shape(0))


def gradients(seeds: Sequence[tuple[Variable, Node]], wanted: Sequence[Variable]) -> list[Node]:
    """The gradient of a sum of losses with respect to the wanted variables.

    seeds: (variable, gradient of the losses with respect to it).
    """
    order: list[Variable] = []
    seen: set[int] = set()
    stack: list[tuple[Variable, bool]] = [(variable, False) for variable, _ in seeds]
    while stack:
        variable, done = stack.pop()
        if done:
            order.append(variable)
        elif id(variable) not in seen:
            seen.add(id(variable))
            stack.append((variable, True))
            stack.extend((parent, False) for parent, _ in variable.parents)
    collected: dict[int, Node] = {}

    def add(variable: Variable, share: Node) -> None:
        before = collected.get(id(variable))
        collected[id(variable)] = share if before is None else op.add(before, share)

    for variable, seed in seeds:
        add(variable, seed)
    for variable in reversed(order):
        if id(variable) in collected:
            for parent, pull in variable.parents:
                add(parent, pull(collected[id(variable)]))
    return [collected[id(variable)] for variable in wanted]


def shift_scale(x: Variable, shift: float | np.ndarray, scale: float) -> Variable:
    """(x + shift) * scale with constants."""
    node = op.multiply(op.add(x.node, constant(np.asarray(shift))), constant(np.asarray(scale)))
    return Variable(node, [(x, lambda g: op.multiply(g, constant(np.asarray(scale))))])


def add(x: Variable, y: Variable) -> Variable:
    """Sum of two of equal shape."""
    return Variable(op.add(x.node, y.node), [(x, lambda g: g), (y, lambda g: g)])


def offset(x: Variable, value: Node) -> Variable:
    """x plus a node that no gradient flows into; it must not widen x's shape."""
    return Variable(op.add(x.node, value), [(x, lambda g: g)])


def mean_of(rows: Sequence[Variable]) -> Variable:
    """The mean of variables of equal shape."""
    node = rows[0].node
    for row in rows[1:]:
        node = op.add(node, row.node)
    share = constant(np.array(1 / len(rows)))
    return Variable(op.multiply(node, share), [(row, lambda g: op.multiply(g, share)) for row in rows])


def modulate(x: Variable, style: Variable) -> Variable:
    """x [1, C, H, W] times style [1, C, 1, 1]."""
    axes = constant_axes([2, 3])
    return Variable(
        op.multiply(x.node, style.node),
        [
            (x, lambda g: op.multiply(g, style.node)),
            (style, lambda g: op.reduce_sum(op.multiply(g, x.node), axes, True)),
        ],
    )


def affine(row: Variable, weight: np.ndarray, bias: np.ndarray) -> Variable:
    """row [1, D], weight [C, D], bias [C] -> [1, C, 1, 1]."""
    flat = op.add(op.matmul(row.node, constant(weight), False, True), constant(bias[None]))
    node = op.reshape(flat, [1, len(bias), 1, 1], False)

    def pull(g: Node) -> Node:
        return op.matmul(op.reshape(g, [1, len(bias)], False), constant(weight), False, False)

    return Variable(node, [(row, pull)])


def convolution(
    x: Variable, weight: np.ndarray, stride: int = 1, before: Sequence[int] = (0, 0), after: Sequence[int] = (0, 0)
) -> Variable:
    """x [1, I, H, W], weight [O, I, k, k]; padding before and after in rows and columns."""
    edges = [stride, stride], list(before), list(after), [1, 1]
    node = op.convolution(x.node, constant(weight), *edges)
    size, kernel = x.shape[2:], weight.shape[-1]

    def pull(g: Node) -> Node:
        if stride == 1:
            turned = np.ascontiguousarray(weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
            left = [kernel - 1 - n for n in before], [kernel - 1 - n for n in after]
            return op.convolution(g, constant(turned), [1, 1], *left, [1, 1])
        return op.convolution_backprop_data(
            g, constant(weight), [stride, stride], constant_axes(size), list(before), list(after), [1, 1]
        )

    return Variable(node, [(x, pull)])


def depthwise(
    x: Variable, weight: np.ndarray, stride: int = 1, before: Sequence[int] = (1, 1), after: Sequence[int] = (1, 1)
) -> Variable:
    """x [1, C, H, W], weight [C, 1, k, k]: one filter a channel."""
    filters = weight[:, None]
    edges = [stride, stride], list(before), list(after), [1, 1]
    node = op.group_convolution(x.node, constant(filters), *edges)
    size, kernel = x.shape[2:], weight.shape[-1]

    def pull(g: Node) -> Node:
        if stride == 2:
            g = _with_gaps(g, [n + a + b - kernel + 1 for n, a, b in zip(size, before, after, strict=True)])
        turned = np.ascontiguousarray(filters[..., ::-1, ::-1])
        left = [kernel - 1 - n for n in before], [kernel - 1 - n for n in after]
        return op.group_convolution(g, constant(turned), [1, 1], *left, [1, 1])

    return Variable(node, [(x, pull)])


def _with_gaps(x: Node, size: Sequence[int]) -> Node:
    """Zeros between the pixels of x [1, C, h, w], cut or filled up to that size (2h or 2h - 1)."""
    height, width = list(x.get_output_shape(0))[2:]
    zero = op.multiply(x, constant(np.array(0.0)))
    # depth_to_space, blocks first: the four phases of a pixel are four blocks of channels.
    wide = op.depth_to_space(op.concat([x, zero, zero, zero], 1), "blocks_first", 2)
    cut = [min(n, 2 * m) for n, m in zip(size, (height, width), strict=True)]
    return op.slice(wide, [0, 0], cut, [1, 1], [2, 3])


def leaky_relu(x: Variable, slope: float) -> Variable:
    """x where positive, else slope * x."""
    y = op.prelu(x.node, constant(np.array([slope])))
    high, low, zero = (constant(np.array(v)) for v in (1.0, slope, 0.0))
    return Variable(y, [(x, lambda g: op.multiply(g, op.select(op.greater(y, zero), high, low)))])


def clamp(x: Variable, low: float, high: float) -> Variable:
    """x cut to low..high; nothing flows back where it was cut."""
    y = op.clamp(x.node, low, high)
    one, zero = constant(np.array(1.0)), constant(np.array(0.0))
    within = op.logical_and(op.greater(y, constant(np.array(low))), op.less(y, constant(np.array(high))))
    return Variable(y, [(x, lambda g: op.multiply(g, op.select(within, one, zero)))])


def haar_up(x: Variable, gain: float = 1.0) -> Variable:
    """Inverse Haar wavelet times gain: [1, 4C, H, W] in blocks LL, LH, HL, HH -> [1, C, 2H, 2W]."""
    channels = x.shape[1] // 4

    def mix(parts: Sequence[Node]) -> list[Node]:
        low, lh, hl, hh = parts
        top, bottom, across, cross = op.add(low, lh), op.subtract(low, lh), op.add(hl, hh), op.subtract(hl, hh)
        return [op.add(top, across), op.subtract(top, across), op.add(bottom, cross), op.subtract(bottom, cross)]

    def blocks(node: Node) -> list[Node]:
        return [op.slice(node, [k * channels], [(k + 1) * channels], [1], [1]) for k in range(4)]

    scale = constant(np.array(0.5 * gain))
    node = op.multiply(op.depth_to_space(op.concat(mix(blocks(x.node)), 1), "blocks_first", 2), scale)

    def pull(g: Node) -> Node:
        a, b, c, d = blocks(op.space_to_depth(g, "blocks_first", 2))
        top, across, bottom, cross = op.add(a, b), op.subtract(a, b), op.add(c, d), op.subtract(c, d)
        bands = [op.add(top, bottom), op.subtract(top, bottom), op.add(across, cross), op.subtract(across, cross)]
        return op.multiply(op.concat(bands, 1), scale)

    return Variable(node, [(x, pull)])


def resample(x: Variable, rows: np.ndarray, columns: np.ndarray) -> Variable:
    """x [1, C, H, W], rows [h, H], columns [w, W] -> rows x columns^T, [1, C, h, w]: separable cropping and scaling."""
    node = op.matmul(op.matmul(constant(rows[None, None]), x.node, False, False), constant(columns), False, True)

    def pull(g: Node) -> Node:
        return op.matmul(op.matmul(constant(rows[None, None]), g, True, False), constant(columns), False, False)

    return Variable(node, [(x, pull)])


def max_pool(x: Variable, kernel: int, stride: int) -> Variable:
    """Maximum over windows, without padding; the gradient goes to each window's (first) maximum."""
    pool = op.max_pool(x.node, [stride, stride], [1, 1], [0, 0], [0, 0], [kernel, kernel])
    shape, count = x.shape, int(np.prod(x.shape))
    places = op.reshape(pool.output(1), [-1], False)

    def pull(g: Node) -> Node:
        empty = constant(np.zeros(count))
        flat = op.scatter_elements_update(empty, places, op.reshape(g, [-1], False), constant_axes(0), "sum", True)
        return op.reshape(flat, shape, False)

    values = op.reshape(pool.output(0), list(pool.get_output_shape(0)), False)
    return Variable(values, [(x, pull)])


def average_pool(x: Variable) -> Variable:
    """Means of 2x2 pixels; an odd last row or column is left out."""
    height, width = x.shape[2:]
    node = op.avg_pool(x.node, [2, 2], [0, 0], [0, 0], [2, 2], True)

    def pull(g: Node) -> Node:
        quarter = op.multiply(g, constant(np.array(0.25)))
        wide = op.depth_to_space(op.concat([quarter] * 4, 1), "blocks_first", 2)
        return op.pad(wide, constant_axes([0] * 4), constant_axes([0, 0, height % 2, width % 2]), "constant")

    return Variable(node, [(x, pull)])


def pad_far(x: Variable, channels: int, height: int, width: int) -> Variable:
    """Zeros at the far ends up to that size."""
    _, c, h, w = x.shape
    if (c, h, w) == (channels, height, width):
        return x
    ends = constant_axes([0, channels - c, height - h, width - w])
    node = op.pad(x.node, constant_axes([0] * 4), ends, "constant")
    return Variable(node, [(x, lambda g: op.slice(g, [0, 0, 0], [c, h, w], [1, 1, 1], [1, 2, 3]))])


def mean_of_places(x: Variable) -> Variable:
    """[1, C, H, W] -> [1, C]."""
    _, channels, height, width = x.shape
    node = op.reduce_mean(x.node, constant_axes([2, 3]), False)

    def pull(g: Node) -> Node:
        share = op.multiply(op.reshape(g, [1, channels, 1, 1], False), constant(np.array(1 / (height * width))))
        return op.broadcast(share, constant_axes(x.shape))

    return Variable(node, [(x, pull)])


def linear(x: Variable, weight: np.ndarray) -> Variable:
    """x [1, D], weight [E, D] -> [1, E]."""
    node = op.matmul(x.node, constant(weight), False, True)
    return Variable(node, [(x, lambda g: op.matmul(g, constant(weight), False, False))])


def unit_columns(x: Variable, eps: float = 1e-6) -> Variable:
    """x [1, C, H, W] divided by its length over channels."""
    squares = op.reduce_sum(op.multiply(x.node, x.node), constant_axes([1]), True)
    length = op.maximum(op.sqrt(squares), constant(np.array(eps)))
    y = op.divide(x.node, length)

    def pull(g: Node) -> Node:
        along = op.reduce_sum(op.multiply(g, y), constant_axes([1]), True)
        return op.divide(op.subtract(g, op.multiply(y, along)), length)

    return Variable(y, [(x, pull)])


def constant_axes(values: int | Sequence[int]) -> Node:
    """Whole numbers of a graph: axes, sizes."""
    return op.constant(np.asarray(values, dtype=np.int64))
