"""Finished stages of a fit are kept by what they were fitted from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_mapping.training.closed_form.stages import fingerprint, kept, stage_file
from gan_mapping.training.closed_form.text import TextTrainingConfig


def test_a_stage_is_fitted_once_for_each_key_and_again_when_its_file_is_damaged(tmp_path: Path) -> None:
    fits: list[int] = []

    def fit() -> dict[str, torch.Tensor]:
        fits.append(len(fits))
        return {"weight": torch.full((2, 2), float(len(fits)), dtype=torch.float64)}

    path = stage_file(tmp_path / "work", "vision", [3, {"net": "abc"}])
    first, second = kept(path, fit), kept(path, fit)
    assert len(fits) == 1 and torch.equal(first["weight"], second["weight"]) and first["weight"].dtype == torch.float32
    assert stage_file(tmp_path / "work", "vision", [3, {"net": "abd"}]) != path
    path.write_bytes(path.read_bytes()[:20])  # a disk that filled up
    assert float(kept(path, fit)["weight"][0, 0]) == 2 and len(fits) == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no half-written file is left"


def test_keys_hold_plain_values_only(tmp_path: Path) -> None:
    """Whatever is only printed (a class, a setting's object) would bind a stage to names in the code."""
    for value in (torch.nn.Linear, TextTrainingConfig()):
        with pytest.raises(TypeError):
            stage_file(tmp_path, "text", [value])


def test_fingerprints_tell_values_and_order_apart() -> None:
    one, other = torch.zeros(3), torch.ones(3)
    assert fingerprint(one, other) == fingerprint(one.clone(), other.double())
    assert len({fingerprint(one, other), fingerprint(other, one), fingerprint(one)}) == 3
