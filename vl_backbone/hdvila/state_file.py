"""Reading and writing files of named tensors: .pt without running what is in them, and .safetensors."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vl_backbone.common.errors import UsageError, WeightsError
from vl_backbone.weights.files import explain_os_errors, partial_file

WRAPPERS = ("model_state_dict", "state_dict", "model", "module")
MAX_WRAPPING = 4
PREFIX = "module."
TORCH_SUFFIXES = (".pt", ".pth", ".bin")
# What torch.load and the safetensors reader raise for damaged or hostile files.
READ_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    SafetensorError,
    struct.error,
    OSError,
    EOFError,
    MemoryError,
    ImportError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pt file (a flat dict, or one wrapped as 'model_state_dict' and the like) or .safetensors file.

    A common 'module.' prefix is taken off. Floating-point tensors come as float32, mapped from the file where the
    format allows, so that unused ones take no memory. Nothing in the file is executed.
    Raises WeightsError when the file is missing, damaged or holds something else.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; give the path of a .pt or .safetensors checkpoint.")
    try:
        content = load_file(path) if _is_safetensors(path) else _load_torch(path)
    except READ_ERRORS as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path.name} cannot be read as a checkpoint (truncated, damaged, or holding more than tensors): {reason}"
        ) from error
    named = _without_prefix(_unwrapped(content, path.name), path.name)
    seen: set[int] = set()
    return {name: _plain(tensor, f"{name!r} in {path.name}", seen) for name, tensor in named.items()}


def write_state(state: Mapping[str, Tensor], path: Path) -> None:
    """Writes a flat dict of tensors, by the suffix of `path`; the file is whole or absent, whatever happens.

    Raises UsageError for another suffix and WeightsError when the disk refuses.
    """
    suffix = path.suffix.lower()
    if suffix != ".safetensors" and suffix not in TORCH_SUFFIXES:
        raise UsageError(f"{path.name}: a checkpoint's name ends in .pt or .safetensors.")
    whole = {name: _owned(tensor) for name, tensor in state.items()}
    with explain_os_errors(f"Writing {path}"), partial_file(path) as partial:
        try:
            if suffix == ".safetensors":
                save_file(whole, partial)
            else:
                torch.save(whole, partial)
        except (SafetensorError, RuntimeError) as error:  # how both libraries report a full disk
            raise WeightsError(f"Writing {path} failed: {error}") from error


def _is_safetensors(path: Path) -> bool:
    if path.suffix.lower() == ".safetensors":
        return True
    with path.open("rb") as stream:
        head = stream.read(9)
    return head[8:] == b"{" and struct.unpack("<Q", head[:8])[0] < path.stat().st_size


def _load_torch(path: Path) -> object:
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _unwrapped(content: object, label: str) -> Mapping[object, object]:
    for _ in range(MAX_WRAPPING):
        if not isinstance(content, Mapping):
            break
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            return content
        content = inner
    raise WeightsError(f"{label} does not hold a dict of named tensors.")


def _without_prefix(content: Mapping[object, object], label: str) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{label}: the entry {str(name)[:80]!r} is {type(value).__name__}, not a named tensor.")
        named[name] = value
    while named and all(name.startswith(PREFIX) for name in named):
        named = {name.removeprefix(PREFIX): tensor for name, tensor in named.items()}
    if not named:
        raise WeightsError(f"{label} holds no tensors.")
    return named


def _plain(tensor: Tensor, label: str, seen: set[int]) -> Tensor:
    """A dense CPU tensor of float32 or int64 that shares its memory with none seen before."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise WeightsError(f"The tensor {label} is sparse, quantized or without values.")
    if tensor.nbytes > tensor.untyped_storage().nbytes():  # a few bytes can claim any shape by repeating themselves
        raise WeightsError(f"The tensor {label} claims more values than the file holds.")
    if tensor.is_floating_point():
        tensor = tensor.detach().to(torch.float32)
    elif tensor.dtype != torch.int64:
        raise WeightsError(f"The tensor {label} has type {tensor.dtype}; weights are floating point.")
    if tensor.data_ptr() in seen:
        tensor = tensor.clone()
    seen.add(tensor.data_ptr())
    return tensor


def _owned(tensor: Tensor) -> Tensor:
    """Contiguous, float32 unless whole numbers, and with no storage beyond its own values."""
    tensor = tensor.detach().cpu()
    tensor = (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
