"""The tiny model whose outputs the original code computed, with the pictures and texts that it was given."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

DATA = Path(__file__).parent / "data"
CHECKPOINT = DATA / "tiny_stage2.safetensors"
VOCABULARY = 199


@cache
def tiny_config() -> dict[str, Any]:
    return json.loads((DATA / "tiny_config.json").read_text())


@cache
def tiny_state() -> dict[str, Tensor]:
    return load_file(CHECKPOINT)


@cache
def goldens() -> dict[str, Tensor]:
    """`RUN/NAME`: output of the original code; large ones hold every 7th value (see `assert_golden`)."""
    return load_file(DATA / "goldens.safetensors")


def assert_golden(name: str, ours: Tensor, reference: Tensor) -> None:
    """Within 2e-5 of the reference's largest value; the original's own float32 noise is 1.5e-6."""
    flat = ours.detach().flatten()
    if flat.numel() != reference.numel():
        flat = flat[::7]
    error = (flat - reference.flatten()).abs().max() / reference.abs().max()
    assert error <= 2e-5, f"{name}: off by {error:.1e} of the largest value"


def pictures(seed: int, shape: tuple[int, ...], block: int) -> Tensor:
    """uint8 [..., 3, H, W]: a colour cast per picture and channel, coarse squares, fine noise."""
    random = np.random.RandomState(seed)
    cast = random.randint(0, 256, size=(*shape[:-2], 1, 1)).astype(np.int16)
    squares = random.randint(0, 256, size=(*shape[:-2], shape[-2] // block, shape[-1] // block)).astype(np.int16)
    noise = random.randint(-40, 41, size=shape).astype(np.int16)
    coarse = squares.repeat(block, axis=-2).repeat(block, axis=-1)
    return torch.from_numpy(((cast + coarse) // 2 + noise).clip(0, 255).astype(np.uint8))


def texts(seed: int, lengths: tuple[int, ...], longest: int) -> tuple[Tensor, Tensor]:
    """ids and mask [B, longest]: random words between a start (1) and an end (2) mark, zeros behind."""
    random = np.random.RandomState(seed)
    ids = random.randint(5, VOCABULARY, size=(len(lengths), longest)).astype(np.int64)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, 0], ids[row, length - 1] = 1, 2
        ids[row, length:] = 0
        mask[row, :length] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


@cache
def wide_clips() -> tuple[Tensor, Tensor]:
    """Two samples of two clips on the standard 10x16 grid: hr [2, 2, 3, 640, 1024], lr [2, 2, 6, 3, 160, 256]."""
    return pictures(1001, (2, 2, 3, 640, 1024), 32), pictures(1002, (2, 2, 6, 3, 160, 256), 8)


@cache
def small_clips() -> tuple[Tensor, Tensor]:
    """Two samples of one clip on a 3x4 grid, 12 neighbours: hr [2, 1, 3, 192, 256], lr [2, 1, 12, 3, 48, 64]."""
    return pictures(3001, (2, 1, 3, 192, 256), 32), pictures(3002, (2, 1, 12, 3, 48, 64), 8)
