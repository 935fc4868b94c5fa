"""Finished stages of a long fit, kept in its work folder, so that an interrupted run does not fit them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vl_backbone.weights.files import write_atomically


def stage_file(work: Path, name: str, key: Sequence[object]) -> Path:
    """Where the stage of that name, fitted from what `key` (plain values) says, is kept."""
    return work / f"{name}-{digest_of(key)}.safetensors"


def digest_of(key: Sequence[object]) -> str:
    """Twelve hexadecimal digits for a key of plain values, to stand in a file's name."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]


def kept(path: Path, fit: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors in that file, or else those that `fit` gives, which are then kept there (float32, whole or not)."""
    try:
        return load_file(path)
    except (FileNotFoundError, SafetensorError):
        tensors = {name: tensor.detach().float().cpu().contiguous() for name, tensor in fit().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, [save(tensors)])
        return tensors


def fingerprint(*tensors: Tensor) -> str:
    """sha256 of the tensors' values, for a stage's key."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
