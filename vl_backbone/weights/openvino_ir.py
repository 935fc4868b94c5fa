"""Reads MobileStyleGAN's published OpenVINO files (IR version 10) as a state dict for our own PyTorch module.

The XML is a graph whose Const nodes point into the .bin by offset and size. Parameters that the exporter kept
named are found by name; folded weights and noise maps, whose names are numbers, are found by walking edges
from the convolution that uses them. OpenVINO itself is not needed. The files come from outside, so every
number in them is checked before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor

from vl_backbone.common.errors import WeightsError

MAX_XML_BYTES = 16 * 2**20
NUM_MAPPING_LAYERS = 8
NUM_BLOCKS = 7
NUM_WS = 2 + 3 * NUM_BLOCKS  # conv1, then (up, conv1, conv2) per block, then to_img


@dataclass(frozen=True)
class Node:
    """One layer of the graph; `inputs` are source node ids by port, `consumers` ids of the nodes it feeds."""

    id: str
    name: str
    type: str
    data: Mapping[str, str]
    inputs: dict[int, str] = field(default_factory=dict)
    consumers: list[str] = field(default_factory=list)


class IrGraph:
    """An IR version 10 network: nodes in file order, edges, and checked access to its float constants."""

    def __init__(self, label: str, xml: bytes, weights: bytes) -> None:
        """label: file name for error messages; xml, weights: the two files' contents.

        Raises WeightsError when the XML is not an IR v10 graph.
        """
        self._label = label
        self._weights = weights
        root = _parse_xml(label, xml)
        if root.tag != "net" or root.get("version") != "10":
            raise WeightsError(f"{label}.xml is not an OpenVINO IR version 10 network.")
        self._nodes: dict[str, Node] = {}
        self._by_name: dict[str, Node] = {}
        for layer in root.iterfind("layers/layer"):
            data = layer.find("data")
            node = Node(
                id=layer.get("id", ""),
                name=layer.get("name", ""),
                type=layer.get("type", ""),
                data=dict(data.attrib) if data is not None else {},
            )
            if not node.id or node.id in self._nodes:
                raise WeightsError(f"{label}.xml has a layer with a missing or repeated id {node.id!r}.")
            self._nodes[node.id] = node
            self._by_name[node.name] = node
        for edge in root.iterfind("edges/edge"):
            source = self._nodes.get(edge.get("from-layer", ""))
            target = self._nodes.get(edge.get("to-layer", ""))
            port = _to_int(label, edge.get("to-port", ""))
            if source is None or target is None:
                raise WeightsError(f"{label}.xml has an edge between layers that do not exist.")
            target.inputs[port] = source.id
            source.consumers.append(target.id)

    def of_type(self, kind: str) -> list[Node]:
        """All nodes of one operation type, in file order."""
        return [node for node in self._nodes.values() if node.type == kind]

    def named(self, name: str) -> Node:
        """The node of this name; WeightsError when there is none."""
        if name not in self._by_name:
            raise WeightsError(f"{self._label}.xml has no layer named {name!r}; is it another model?")
        return self._by_name[name]

    def input_of(self, node: Node, port: int) -> Node:
        """The node that feeds `port`; WeightsError when nothing does."""
        if port not in node.inputs:
            raise WeightsError(f"{self._label}.xml: layer {node.name!r} has no input {port}.")
        return self._nodes[node.inputs[port]]

    def constant_added_to(self, node: Node) -> tuple[Node, Node]:
        """Follows `node` into the Add it feeds: (that Add, the Const which is its other operand)."""
        for consumer in (self._nodes[key] for key in node.consumers):
            if consumer.type != "Add":
                continue
            for source in (self._nodes[key] for key in consumer.inputs.values()):
                # The mapping's biases pass through a Reshape to the batch's shape; the values are the same.
                constant = self.input_of(source, 0) if source.type == "Reshape" else source
                if constant.type == "Const":
                    return consumer, constant
        raise WeightsError(f"{self._label}.xml: layer {node.name!r} is not followed by adding a constant.")

    def float_constant(self, node: Node, shape: tuple[int, ...]) -> Tensor:
        """The float32 values of a Const node, reshaped to `shape` (same number of elements required)."""
        where = f"{self._label}.xml: constant {node.name!r}"
        if node.type != "Const" or node.data.get("element_type") != "f32":
            raise WeightsError(f"{where} is not a float32 constant.")
        stored = tuple(_to_int(self._label, part) for part in node.data.get("shape", "").split(",") if part.strip())
        offset = _to_int(self._label, node.data.get("offset", ""))
        size = _to_int(self._label, node.data.get("size", ""))
        count = math.prod(stored)
        if size != 4 * count or offset + size > len(self._weights):
            raise WeightsError(f"{where} points outside {self._label}.bin, which is truncated or another file.")
        if _without_ones(stored) != _without_ones(shape):
            raise WeightsError(f"{where} has shape {list(stored)}, expected {list(shape)}.")
        values = np.frombuffer(self._weights, dtype="<f4", count=count, offset=offset)
        if not np.isfinite(values).all():
            raise WeightsError(f"{where} holds values that are not finite.")
        return torch.from_numpy(values.astype(np.float32)).reshape(shape)

    def shape(self, node: Node) -> tuple[int, ...]:
        """Declared shape of a Const node."""
        return tuple(_to_int(self._label, part) for part in node.data.get("shape", "").split(",") if part.strip())


def convert_mobile_stylegan(members: Mapping[str, bytes]) -> dict[str, Tensor]:
    """The four IR files, by base name, to one float32 state dict.

    Keys: mapping.layers.{0..7}.{weight [512,512], bias [512]}; synthesis.const [1,512,4,4];
    synthesis.affine.{0..22}.{weight [C,512], bias [C]} in w+ order; synthesis.conv1.{weight [512,512,3,3],
    noise [4,4], bias [512]}; synthesis.blocks.{0..6}.conv{1,2}.{depthwise [I,1,3,3], pointwise [O,I,1,1],
    noise [r,r], bias [O]}; synthesis.to_img.{weight [12,64,1,1], bias [12]}.
    The affines are stored as published: the scale 1/sqrt(I*k*k) on their output is the module's business.
    Raises WeightsError when a file is missing, damaged or of another model.
    """
    graphs = {}
    for label in ("MappingNetwork", "SynthesisNetwork"):
        try:
            graphs[label] = IrGraph(label, members[f"{label}.xml"], members[f"{label}.bin"])
        except KeyError as error:
            raise WeightsError(f"MobileStyleGAN needs the file {error.args[0]}, which was not given.") from error
    return {
        **dict(_mapping(graphs["MappingNetwork"])),
        **dict(_synthesis(graphs["SynthesisNetwork"])),
    }


def affine_layer_names() -> list[str]:
    """Published layer name behind each of the 23 rows of w+, in order."""
    names = ["m.conv1.conv"]
    for block in range(NUM_BLOCKS):
        prefix = f"m.layers.{block}"
        names += [f"{prefix}.up", f"{prefix}.conv1.conv", f"{prefix}.conv2.conv"]
    return [*names, f"m.layers.{NUM_BLOCKS - 1}.to_img.conv"]


def _mapping(graph: IrGraph) -> Iterator[tuple[str, Tensor]]:
    layers = graph.of_type("MatMul")
    if len(layers) != NUM_MAPPING_LAYERS:
        raise WeightsError(f"MappingNetwork.xml has {len(layers)} matrix products, expected {NUM_MAPPING_LAYERS}.")
    for index, layer in enumerate(layers):
        _, bias = graph.constant_added_to(layer)
        yield f"mapping.layers.{index}.weight", graph.float_constant(graph.input_of(layer, 1), (512, 512))
        yield f"mapping.layers.{index}.bias", graph.float_constant(bias, (512,))


def _synthesis(graph: IrGraph) -> Iterator[tuple[str, Tensor]]:
    yield "synthesis.const", graph.float_constant(graph.named("m.input.input"), (1, 512, 4, 4))
    for index, name in enumerate(affine_layer_names()):
        weight = graph.named(f"{name}.modulation.weight")
        channels = graph.shape(weight)[0] if graph.shape(weight) else 0
        yield f"synthesis.affine.{index}.weight", graph.float_constant(weight, (channels, 512))
        bias = graph.named(f"{name}.modulation.bias")
        yield f"synthesis.affine.{index}.bias", graph.float_constant(bias, (channels,))

    # File order is forward order: conv1, (conv1, conv2) of each block, to_img.
    convolutions = graph.of_type("Convolution")
    depthwise = graph.of_type("GroupConvolution")
    if (len(convolutions), len(depthwise)) != (2 + 2 * NUM_BLOCKS, 2 * NUM_BLOCKS):
        raise WeightsError("SynthesisNetwork.xml does not have the convolutions of MobileStyleGAN FFHQ-1024.")
    kernel = graph.input_of(convolutions[0], 1)
    yield "synthesis.conv1.weight", graph.float_constant(kernel, (512, 512, 3, 3))
    yield from _noise_and_bias(graph, convolutions[0], "synthesis.conv1", "m.conv1.bias", 4, 512)
    for index, (spread, mix) in enumerate(zip(depthwise, convolutions[1:-1], strict=True)):
        block, half = divmod(index, 2)
        key = f"synthesis.blocks.{block}.conv{half + 1}"
        if graph.input_of(mix, 0) is not spread:
            raise WeightsError(f"SynthesisNetwork.xml: {mix.name!r} does not follow its depthwise convolution.")
        kernel = graph.named(f"m.layers.{block}.conv{half + 1}.conv.weight_dw")
        if graph.input_of(spread, 1) is not kernel:
            raise WeightsError(f"SynthesisNetwork.xml: {spread.name!r} does not use {kernel.name!r}.")
        pointwise = graph.input_of(mix, 1)
        channels_in = graph.shape(kernel)[0] if graph.shape(kernel) else 0
        channels_out = graph.shape(pointwise)[0] if graph.shape(pointwise) else 0
        yield f"{key}.depthwise", graph.float_constant(kernel, (channels_in, 1, 3, 3))
        yield f"{key}.pointwise", graph.float_constant(pointwise, (channels_out, channels_in, 1, 1))
        name = f"m.layers.{block}.conv{half + 1}.bias"
        yield from _noise_and_bias(graph, mix, key, name, 8 * 2**block, channels_out)

    prefix = f"m.layers.{NUM_BLOCKS - 1}.to_img"
    kernel = graph.input_of(convolutions[-1], 1)
    yield "synthesis.to_img.weight", graph.float_constant(kernel, (12, 64, 1, 1))
    yield "synthesis.to_img.bias", graph.float_constant(graph.named(f"{prefix}.bias"), (12,))


def _noise_and_bias(
    graph: IrGraph, conv: Node, key: str, bias_name: str, resolution: int, channels: int
) -> Iterator[tuple[str, Tensor]]:
    """The two constants added after a convolution: a noise map [r,r], then a bias [channels]."""
    added, noise = graph.constant_added_to(conv)
    _, bias = graph.constant_added_to(added)
    if bias.name != bias_name:
        raise WeightsError(f"SynthesisNetwork.xml: after {conv.name!r} comes {bias.name!r}, expected {bias_name!r}.")
    yield f"{key}.noise", graph.float_constant(noise, (resolution, resolution))
    yield f"{key}.bias", graph.float_constant(bias, (channels,))


def _parse_xml(label: str, xml: bytes) -> ElementTree.Element:
    """Parses XML from outside: bounded size, UTF-8, and no document type, hence no entities of any kind."""
    if len(xml) > MAX_XML_BYTES:
        raise WeightsError(f"{label}.xml is larger than {MAX_XML_BYTES} bytes; refused.")
    try:
        text = xml.decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise WeightsError(f"{label}.xml declares a document type; refused.")
        return ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise WeightsError(f"{label}.xml is not well-formed XML: {error}.") from error


def _to_int(label: str, text: str) -> int:
    """A non-negative decimal number from the XML; WeightsError otherwise."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise WeightsError(f"{label}.xml holds {text!r} where a number belongs.")
    return int(text)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
