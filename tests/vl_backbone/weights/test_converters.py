"""Converters: the right tensors, the same bytes on every run, and a sentence for damaged or hostile files."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, load_file

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightState, WeightStore, converters
from vl_backbone.weights.safetensors_file import to_bytes

CONVOLUTIONS = list(converters._dlib_convolutions())


def torch_file(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def dlib_int(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "little")
    return bytes([len(digits)]) + digits


def dlib_tensor(values: np.ndarray, columns: int = 1) -> bytes:
    sizes = (2, values.size // columns, columns, 1, 1)
    return b"".join(map(dlib_int, sizes)) + values.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def dlib_file() -> bytes:
    """A file of dlib's form: 59 tensors with text between them, each filled with its own number."""
    parts = [b"\x01\x03loss_metric_2"]
    for index, (out_channels, in_channels, side) in enumerate(CONVOLUTIONS):
        kernel = out_channels * in_channels * side * side
        bias = np.full(out_channels, index + 0.5)
        parts += [
            b"con_4",
            dlib_tensor(np.concatenate([np.full(kernel, index), bias])),
            struct.pack("<d", 1e-3),
        ]
        parts += [b"affine_", dlib_tensor(np.repeat([100 + index, 200 + index], out_channels))]
    parts += [b"fc_2", dlib_tensor(np.arange(256 * 128), columns=128), b"end"]
    return b"".join(parts)


def test_dlib_tensors_land_under_their_names(dlib_file: bytes) -> None:
    state = converters.dlib_face_resnet({"net.dat": dlib_file})
    assert len(state) == 29 * 4 + 1
    assert state["conv0.weight"].shape == (32, 3, 7, 7)
    assert state["conv28.weight"].shape == (256, 256, 3, 3)
    for index in range(29):
        for key, value in (("conv", index), ("affine", 100 + index)):
            assert torch.all(state[f"{key}{index}.weight"] == value)
        assert torch.all(state[f"conv{index}.bias"] == index + 0.5)
        assert torch.all(state[f"affine{index}.bias"] == 200 + index)
    # dlib multiplies row vectors by a 256x128 matrix; torch keeps outputs first.
    assert state["fc.weight"].shape == (128, 256)
    assert state["fc.weight"][3, 7] == 7 * 128 + 3


def test_dlib_conversion_is_bit_equal_on_a_second_run(dlib_file: bytes) -> None:
    first, second = (to_bytes(converters.dlib_face_resnet({"net.dat": dlib_file})) for _ in range(2))
    assert first == second


def test_damaged_dlib_files_are_refused(dlib_file: bytes) -> None:
    not_finite = dlib_file.replace(np.full(4, 5, "<f4").tobytes(), np.full(4, np.nan, "<f4").tobytes(), 1)
    damaged = [
        b"",
        b"\x01\x02",
        dlib_file[: len(dlib_file) // 2],
        dlib_file[:-200],
        dlib_file[2000:],
        not_finite,
    ]
    for content in damaged:
        with pytest.raises(WeightsError):
            converters.dlib_face_resnet({"net.dat": content})
    with pytest.raises(WeightsError):
        converters.dlib_face_resnet({})


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused_by_every_reader(content: bytes) -> None:
    with pytest.raises(WeightsError):
        converters.dlib_face_resnet({"net.dat": content})
    with pytest.raises(WeightsError):
        converters.torch_state_dict({"net.pth": content})


def test_torch_files_keep_names_and_values() -> None:
    state = {"b": torch.randn(2, 3), "a": torch.tensor(7)}
    for _ in range(2):
        converted = converters.torch_state_dict({"net.pth": torch_file(state)})
        assert converted.keys() == state.keys()
        assert all(torch.equal(converted[key], state[key]) for key in state)
    assert to_bytes(converted) == to_bytes(state)


class Hostile:
    """Would create a file if it were unpickled by plain pickle."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_torch_files_are_never_executed(tmp_path: Path) -> None:
    hostile = Hostile(tmp_path / "owned")
    for content in (
        torch_file({"a": hostile}),
        pickle.dumps(hostile),
        pickle.dumps({"a": hostile}, protocol=2),
    ):
        with pytest.raises(WeightsError):
            converters.torch_state_dict({"net.pth": content})
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {}, {"a": 1}, {1: torch.zeros(1)}, torch.zeros(1), None])
def test_torch_files_with_something_else_are_refused(content: Any) -> None:
    with pytest.raises(WeightsError):
        converters.torch_state_dict({"net.pth": torch_file(content)})


def test_truncated_torch_files_are_refused() -> None:
    whole = torch_file({"a": torch.zeros(100)})
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(WeightsError):
            converters.torch_state_dict({"net.pth": whole[:length]})


def test_mtcnn_parts_are_merged_under_prefixes() -> None:
    parts = {f"{name}net.pt": torch_file({"w": torch.full((2,), float(index))}) for index, name in enumerate("pro")}
    state = converters.mtcnn(parts)
    assert {key: value[0].item() for key, value in state.items()} == {"pnet.w": 0, "rnet.w": 1, "onet.w": 2}
    del parts["onet.pt"]
    with pytest.raises(WeightsError, match=r"onet\.pt"):
        converters.mtcnn(parts)


def test_the_writer_is_read_by_the_library_and_does_not_depend_on_order() -> None:
    state = {
        "z": torch.randn(3, 1),
        "scalar": torch.tensor(2.5),
        "count": torch.arange(5),
        "view": torch.eye(3).T,
    }
    content = to_bytes(state)
    assert content == to_bytes(dict(reversed(state.items())))
    back = load(content)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) and back[key].dtype == state[key].dtype for key in state)
    with pytest.raises(WeightsError, match="float16"):
        to_bytes({"a": torch.zeros(1, dtype=torch.float16)})


@pytest.mark.parametrize(
    ("name", "key", "shape"),
    [
        ("mobile-stylegan-ffhq", "synthesis.affine.22.weight", (64, 512)),
        ("efficientnet-lite0", "_conv_stem.weight", (32, 3, 3, 3)),
        ("minilm", "embeddings.word_embeddings.weight", (30522, 384)),
        ("mtcnn", "onet.conv1.weight", (32, 3, 3, 3)),
        ("dlib-face-resnet", "fc.weight", (128, 256)),
    ],
)
def test_fetched_files_hold_what_the_networks_expect(name: str, key: str, shape: tuple[int, ...]) -> None:
    store = WeightStore()
    if store.verify([name])[0].state is WeightState.MISSING:
        pytest.skip(f"{name} is not in the cache; run `vilaface weights fetch {name}`")
    assert load_file(store.path(name))[key].shape == shape
