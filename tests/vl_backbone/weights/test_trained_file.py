"""Weight files this project writes: halves, and matrices as whole numbers with a step per row."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.trained_file import read_trained, write_trained


def test_int8_matrices_come_back_within_half_a_step_of_their_row(tmp_path: Path) -> None:
    path = tmp_path / "layers.safetensors"
    wide = torch.randn(5, 300, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [[1e-6], [1.0], [50], [0], [3]]
    )
    plain = torch.randn(4, 4)
    write_trained(path, "test-1", {"wide": wide, "plain": plain}, {"note": "kept"}, int8=("wide",))
    file = read_trained(path, "test-1")
    assert set(file.tensors) == {"wide", "plain"} and file.metadata["note"] == "kept"
    half_steps = wide.abs().amax(dim=1, keepdim=True) / 254
    assert bool(((file.tensors["wide"] - wide).abs() <= half_steps * 1.001).all())
    assert torch.equal(file.tensors["plain"], plain.half().float())
    assert load_file(path)["wide"].dtype == torch.int8


def test_what_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wide"):
        write_trained(tmp_path / "a.safetensors", "test-1", {"wide": torch.full((2, 2), torch.nan)}, {}, int8=("wide",))
    assert not list(tmp_path.iterdir())


def test_int8_without_its_steps_is_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "layers.safetensors"
    save_file({"wide": torch.ones(2, 2, dtype=torch.int8)}, path, {"format": "test-1"})
    with pytest.raises(WeightsError, match="damaged"):
        read_trained(path, "test-1")
