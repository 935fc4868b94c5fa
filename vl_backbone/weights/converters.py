"""From other projects' weight formats to state dicts. Nothing here executes what a file contains.

Every converter takes {base name: content} of an entry's members and returns {key: tensor}.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.openvino_ir import convert_mobile_stylegan

# dlib's ResNet-29: (number of residual blocks, channels) per stage after the first convolution.
_DLIB_STAGES = ((3, 32), (4, 64), (3, 128), (3, 256), (1, 256))
_DLIB_FC = (256, 128)  # inputs, outputs
# LPIPS: channels of the five scales of each trunk.
_LPIPS_CHANNELS = {"vgg": (64, 128, 256, 512, 512), "alex": (64, 192, 384, 256, 256)}
# Between two tensors lie only layer names and learning rates, a few hundred bytes.
_DLIB_MAX_GAP = 4096


def torch_state_dict(members: Mapping[str, bytes]) -> dict[str, Tensor]:
    """One PyTorch state dict file. Raises WeightsError when it holds anything but tensors by name."""
    if len(members) != 1:
        raise WeightsError(f"Expected one PyTorch file, got {len(members)}.")
    ((name, content),) = members.items()
    return load_torch_tensors(name, content)


def mtcnn(members: Mapping[str, bytes]) -> dict[str, Tensor]:
    """pnet.pt, rnet.pt and onet.pt as one state dict with the prefixes `pnet.`, `rnet.`, `onet.`."""
    merged: dict[str, Tensor] = {}
    for part in ("pnet", "rnet", "onet"):
        name = f"{part}.pt"
        if name not in members:
            raise WeightsError(f"MTCNN needs the file {name}, which was not given.")
        merged |= {f"{part}.{key}": value for key, value in load_torch_tensors(name, members[name]).items()}
    return merged


def load_torch_tensors(name: str, content: bytes) -> dict[str, Tensor]:
    """The tensors of a file written by torch.save, read without executing it.

    name: for messages. Raises WeightsError when the file is damaged or holds more than tensors.
    """
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader meets damage with almost any exception type
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{name} is not a plain PyTorch weight file: {reason}") from error
    if not isinstance(loaded, dict) or not loaded:
        raise WeightsError(f"{name} does not hold a state dict.")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{name} holds something other than named tensors.")
    return dict(loaded)


def dlib_face_resnet(members: Mapping[str, bytes]) -> dict[str, Tensor]:
    """dlib's face recognition network (.dat) as a float32 state dict.

    Keys, input side first: conv{0..28}.{weight [O,I,k,k], bias [O]}, affine{0..28}.{weight [O], bias [O]},
    fc.weight [128,256] (as torch.nn.Linear has it; no bias).
    Raises WeightsError when the file is truncated or not this network.
    """
    if len(members) != 1:
        raise WeightsError(f"Expected one dlib file, got {len(members)}.")
    (content,) = members.values()
    state: dict[str, Tensor] = {}
    position = 0
    for index, (out_channels, in_channels, side) in enumerate(_dlib_convolutions()):
        kernel = out_channels * in_channels * side * side
        values, position = _dlib_tensor(content, position, (kernel + out_channels, 1), f"convolution {index}")
        state[f"conv{index}.weight"] = values[:kernel].reshape(out_channels, in_channels, side, side).clone()
        state[f"conv{index}.bias"] = values[kernel:].clone()
        values, position = _dlib_tensor(content, position, (2 * out_channels, 1), f"affine {index}")
        state[f"affine{index}.weight"] = values[:out_channels].clone()
        state[f"affine{index}.bias"] = values[out_channels:].clone()
    values, position = _dlib_tensor(content, position, _DLIB_FC, "the last layer")
    state["fc.weight"] = values.reshape(_DLIB_FC).T.contiguous()
    return state


def _dlib_convolutions() -> Iterator[tuple[int, int, int]]:
    """(outputs, inputs, kernel side) of the 29 convolutions, input side first."""
    yield 32, 3, 7
    channels = 32
    for blocks, width in _DLIB_STAGES:
        for _ in range(blocks):
            yield width, channels, 3
            yield width, width, 3
            channels = width


def _dlib_tensor(content: bytes, position: int, sizes: tuple[int, int], what: str) -> tuple[Tensor, int]:
    """The next tensor of these sizes at or shortly after `position`: (flat float32 values, where it ends).

    dlib writes a tensor as version 2, its four sizes (here the last two are always 1), then the raw values;
    what lies between two tensors is skipped by looking for exactly that opening.
    """
    count = sizes[0] * sizes[1]
    opening = b"".join(_dlib_int(number) for number in (2, *sizes, 1, 1))
    start = content.find(opening, position, position + _DLIB_MAX_GAP + len(opening))
    if start < 0:
        raise WeightsError(f"The dlib file holds no {what} of {count} values where one belongs.")
    start += len(opening)
    end = start + 4 * count
    if end > len(content):
        raise WeightsError(f"The dlib file ends in the middle of {what}; it is truncated.")
    values = np.frombuffer(content, dtype="<f4", count=count, offset=start).astype(np.float32)
    if not np.isfinite(values).all():
        raise WeightsError(f"The dlib file holds values that are not finite in {what}.")
    return torch.from_numpy(values), end


def _dlib_int(number: int) -> bytes:
    """dlib's variable-length form of a positive integer: a length byte, then little-endian bytes."""
    digits = struct.pack("<Q", number).rstrip(b"\0")
    return bytes([len(digits)]) + digits


def lpips_heads(members: Mapping[str, bytes]) -> dict[str, Tensor]:
    """vgg.pth and alex.pth of the lpips wheel -> {"vgg.lin0": [C], ..., "alex.lin4": [C]}. Raises WeightsError."""
    heads: dict[str, Tensor] = {}
    for net, channels in _LPIPS_CHANNELS.items():
        state = load_torch_tensors(f"{net}.pth", members[f"{net}.pth"])
        for i, width in enumerate(channels):
            weight = state.get(f"lin{i}.model.1.weight")
            if weight is None or weight.shape != (1, width, 1, 1):
                raise WeightsError(f"{net}.pth holds no LPIPS weights of {width} channels for scale {i}.")
            heads[f"{net}.lin{i}"] = weight.flatten().clone()
    return heads


CONVERTERS: Mapping[str, Callable[[Mapping[str, bytes]], dict[str, Tensor]]] = {
    "torch-state-dict": torch_state_dict,
    "mtcnn": mtcnn,
    "dlib-face-resnet": dlib_face_resnet,
    "mobile-stylegan-ir": convert_mobile_stylegan,
    "lpips-heads": lpips_heads,
}
"""The converters by the names that `weights.yaml` uses."""
