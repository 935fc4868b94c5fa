"""The reader of MobileStyleGAN's OpenVINO files, on a made-up network of the same structure."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.openvino_ir import affine_layer_names, convert_mobile_stylegan
from vl_backbone.weights.safetensors_file import to_bytes

CHANNELS = (512, 512, 512, 512, 256, 128, 64)  # outputs of the seven blocks
NUM_FLOATS = 512 * 512 * 9 + 4096
VALUES = np.random.default_rng(0).standard_normal(NUM_FLOATS, dtype=np.float32)


class Writer:
    """Writes an IR graph; constant k starts at float k, so that all differ but the file is small."""

    def __init__(self, name: str) -> None:
        self.net = ElementTree.Element("net", name=name, version="10")
        self.layers = ElementTree.SubElement(self.net, "layers")
        self.edges = ElementTree.SubElement(self.net, "edges")
        self.expected: dict[str, torch.Tensor] = {}
        self._constants = 0

    def node(self, kind: str, name: str, *inputs: str, **data: str) -> str:
        identity = str(len(self.layers))
        layer = ElementTree.SubElement(self.layers, "layer", id=identity, name=name, type=kind)
        ElementTree.SubElement(layer, "data", data)
        for port, source in enumerate(inputs):
            self.edges.append(
                ElementTree.Element(
                    "edge",
                    {"from-layer": source, "from-port": "0", "to-layer": identity, "to-port": str(port)},
                )
            )
        return identity

    def constant(self, name: str, key: str, stored: tuple[int, ...], shape: tuple[int, ...]) -> str:
        count, offset = int(np.prod(stored)), self._constants
        self._constants += 1
        self.expected[key] = torch.from_numpy(VALUES[offset : offset + count].reshape(shape))
        text = ", ".join(map(str, stored))
        return self.node("Const", name, element_type="f32", shape=text, offset=str(4 * offset), size=str(4 * count))

    def xml(self) -> bytes:
        return ElementTree.tostring(self.net)


def mapping_writer() -> Writer:
    writer = Writer("MappingNetwork")
    value = writer.node("Parameter", "var")
    for index in range(8):
        key = f"mapping.layers.{index}"
        weight = writer.constant(str(170 + index), f"{key}.weight", (512, 512), (512, 512))
        bias = writer.constant(str(270 + index), f"{key}.bias", (512,), (512,))
        product = writer.node("MatMul", f"MatMul_{index}", value, weight)
        value = writer.node("Add", f"Add_{index}", product, writer.node("Reshape", f"Reshape_{index}", bias))
    return writer


def synthesis_writer() -> Writer:
    writer = Writer("SynthesisNetwork")
    style = writer.node("Parameter", "style")
    outputs = [512]
    for block, width in enumerate(CHANNELS):
        before = CHANNELS[block - 1] if block else 512
        outputs += [before, before // 4, width]
    outputs.append(64)
    for index, (name, width) in reversed(list(enumerate(zip(affine_layer_names(), outputs, strict=True)))):
        key = f"synthesis.affine.{index}"
        weight = writer.constant(f"{name}.modulation.weight", f"{key}.weight", (width, 512), (width, 512))
        bias = writer.constant(f"{name}.modulation.bias", f"{key}.bias", (1, width), (width,))
        writer.node("Add", f"Gemm_{index}", writer.node("MatMul", f"Product_{index}", style, weight), bias)
    value = writer.constant("m.input.input", "synthesis.const", (1, 512, 4, 4), (1, 512, 4, 4))

    def convolve(value: str, name: str, key: str, shape: tuple[int, ...], resolution: int) -> str:
        kernel = writer.constant(f"Mul_{key}_copy", f"{key}.{name}", shape, shape)
        value = writer.node("Convolution", f"Conv_{key}", value, kernel)
        if resolution:
            noise = writer.constant(
                f"noise_{key}", f"{key}.noise", (1, 1, resolution, resolution), (resolution, resolution)
            )
            value = writer.node("Add", f"Noise_{key}", value, noise)
        bias_name = key.replace("synthesis.", "m.").replace("blocks", "layers").replace("m.to_", "m.layers.6.to_")
        bias = writer.constant(f"{bias_name}.bias", f"{key}.bias", (1, shape[0], 1, 1), (shape[0],))
        return writer.node("Add", f"Bias_{key}", value, bias)

    value = convolve(value, "weight", "synthesis.conv1", (512, 512, 3, 3), 4)
    for block, width in enumerate(CHANNELS):
        before = CHANNELS[block - 1] if block else 512
        for half, channels in ((1, before // 4), (2, width)):
            key = f"synthesis.blocks.{block}.conv{half}"
            name = f"m.layers.{block}.conv{half}.conv.weight_dw"
            kernel = writer.constant(name, f"{key}.depthwise", (channels, 1, 1, 3, 3), (channels, 1, 3, 3))
            value = writer.node("GroupConvolution", f"Spread_{key}", value, kernel)
            value = convolve(value, "pointwise", key, (width, channels, 1, 1), 8 * 2**block)
    convolve(value, "weight", "synthesis.to_img", (12, 64, 1, 1), 0)
    return writer


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    content = VALUES.tobytes()
    return {
        "MappingNetwork.xml": mapping_writer().xml(),
        "MappingNetwork.bin": content,
        "SynthesisNetwork.xml": synthesis_writer().xml(),
        "SynthesisNetwork.bin": content,
    }


def test_every_constant_lands_under_its_key(files: dict[str, bytes]) -> None:
    state = convert_mobile_stylegan(files)
    expected = mapping_writer().expected | synthesis_writer().expected
    assert state.keys() == expected.keys()
    assert len(state) == 8 * 2 + 1 + 23 * 2 + 3 + 7 * 2 * 4 + 2
    for key, value in expected.items():
        assert torch.equal(state[key], value), key
    assert to_bytes(state) == to_bytes(convert_mobile_stylegan(files))


@pytest.mark.parametrize("missing", ["MappingNetwork.xml", "SynthesisNetwork.bin"])
def test_a_missing_file_is_named(files: dict[str, bytes], missing: str) -> None:
    with pytest.raises(WeightsError, match=missing):
        convert_mobile_stylegan({name: content for name, content in files.items() if name != missing})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'version="10"', b'version="11"'),
        (b'version="10"', b""),
        (b'offset="0"', b'offset="-4"'),
        (b'offset="0"', b'offset="99999999999"'),
        (b'offset="0"', b'offset="9999999999999999999999"'),
        (b'offset="0"', 'offset="٣"'.encode()),
        (b'size="131072"', b'size="4"'),
        (b'shape="64, 512"', b'shape="512, 64"'),
        (b'shape="64, 512"', b'shape="64"'),
        (b'shape="64, 512"', b'shape=""'),
        (b'shape="64, 512"', b'shape="many"'),
        (b'element_type="f32"', b'element_type="f16"'),
        (b'id="1"', b'id="0"'),
        (b'from-layer="0"', b'from-layer="nobody"'),
        (b'to-port="0"', b'to-port="x"'),
        (b"m.input.input", b"m.other"),
        (b'"Convolution"', b'"Convolved"'),
        (b'"GroupConvolution"', b'"Group"'),
        (b'"Noise_synthesis.conv1" type="Add"', b'"Noise_synthesis.conv1" type="Multiply"'),
        (b"m.layers.3.conv2.bias", b"m.layers.3.conv2.other"),
        (b"<layers>", b"<layers><layer/>"),
        (b"</net>", b""),
        (b"<net", b'<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/hostname">]><net'),
        (b"<net", b"\xff\xfe<net"),
    ],
)
def test_changed_graphs_are_refused(files: dict[str, bytes], old: bytes, new: bytes) -> None:
    assert old in files["SynthesisNetwork.xml"]
    changed = files["SynthesisNetwork.xml"].replace(old, new, 1)
    with pytest.raises(WeightsError, match="SynthesisNetwork"):
        convert_mobile_stylegan(files | {"SynthesisNetwork.xml": changed})


@pytest.mark.parametrize("content", [b"", VALUES[:1000].tobytes(), np.full(NUM_FLOATS, np.nan, "<f4").tobytes()])
def test_damaged_values_are_refused(files: dict[str, bytes], content: bytes) -> None:
    with pytest.raises(WeightsError, match="MappingNetwork"):
        convert_mobile_stylegan(files | {"MappingNetwork.bin": content})
