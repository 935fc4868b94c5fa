"""Weight files that this project trained and ships: one safetensors each, with a format name and text metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.files import write_atomically


@dataclass(frozen=True)
class TrainedFile:
    """tensors as float32; metadata: the texts stored beside them; sha256 of the whole file."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    sha256: str


# Beside a matrix kept as int8: what one step of each of its rows is worth, under its name and this.
STEP = ":step"


def write_trained(
    path: Path,
    file_format: str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    int8: Collection[str] = (),
) -> None:
    """Writes the tensors as fp16, atomically; the matrices named by `int8` as whole numbers with a step per row."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = tensor.detach().float().cpu()
        if name in int8:
            if not bool(value.isfinite().all()):
                raise ValueError(f"{name} has values that are not finite; nothing was written")
            step = value.abs().amax(dim=1).clamp(min=1e-12) / 127
            stored[name], stored[name + STEP] = (value / step[:, None]).round().to(torch.int8).contiguous(), step
        else:
            stored[name] = value.half().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, [save(stored, {"format": file_format, **metadata})])


def read_trained(path: Path, file_format: str, remedy: str = "reinstall VilaFace") -> TrainedFile:
    """The file's content; WeightsError, ending with `remedy`, when it is missing, damaged or of another format."""
    if not path.is_file():
        raise WeightsError(f"The weight file {path.name} is missing from {path.parent}; {remedy}.")
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata() or {}
            stored = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weight file {path} is damaged ({error}); {remedy}.") from None
    if metadata.get("format") != file_format:
        raise WeightsError(f"{path} is not a {file_format} file, which this version reads; {remedy}.")
    tensors = {name: tensor.float() for name, tensor in stored.items() if not name.endswith(STEP)}
    for name, tensor in stored.items():
        if tensor.dtype == torch.int8:
            if name + STEP not in stored:
                raise WeightsError(f"The weight file {path} is damaged (no steps for {name}); {remedy}.")
            tensors[name].mul_(stored[name + STEP][:, None])
    return TrainedFile(tensors, metadata, hashlib.sha256(path.read_bytes()).hexdigest())
