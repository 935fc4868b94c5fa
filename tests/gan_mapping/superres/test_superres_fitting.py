"""Fitting the pixel mapper on a generator that is linear, and its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_mapping.superres.mapper import LevelMapper, PixelMapper, load_pixel_mapper, save_pixel_mapper
from gan_mapping.superres.pixels import LEVELS
from gan_mapping.superres.preview import PreviewHead
from gan_mapping.superres.training import OPEN_DIRECTIONS, fit_level
from vl_backbone.common.errors import WeightsError

W_DIM = 6


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, torch.Tensor]:
    """Pictures that depend linearly on w, except for their rounding."""
    rng = np.random.default_rng(3)
    latents = rng.standard_normal((300, W_DIM)).astype(np.float32)
    patterns = rng.standard_normal((W_DIM, 3, 4, 4)).astype(np.float32)
    small = torch.from_numpy(np.einsum("nw,wchx->nchx", latents, patterns))
    big = F.interpolate(small, size=64, mode="bilinear") * 12 + 128
    return big.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy(), torch.from_numpy(latents)


@pytest.mark.parametrize("level", LEVELS)
def test_a_linear_world_is_read_back(faces: tuple[np.ndarray, torch.Tensor], level: int) -> None:
    pictures, latents = faces
    said: list[str] = []
    mapper = fit_level(pictures, latents, torch.zeros(W_DIM), level, said.append)
    clean = F.interpolate(torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), size=level, mode="area")
    found = mapper(clean.flatten(1) / 255)
    assert float(F.cosine_similarity(found, latents).mean()) > 0.95
    assert said and mapper.spread.shape == (W_DIM, OPEN_DIRECTIONS)
    # What is left open is small where the pixels say everything.
    assert float(mapper.spread.norm()) < float(latents.norm(dim=1).mean())


def empty_mapper() -> PixelMapper:
    torch.manual_seed(1)
    return PixelMapper({level: LevelMapper(level, 4, W_DIM, 3) for level in LEVELS}, PreviewHead())


def test_the_file_gives_the_mapper_back(tmp_path: Path) -> None:
    mapper, path = empty_mapper(), tmp_path / "m.safetensors"
    save_pixel_mapper(mapper, "tiny", {"faces": 3}, path)
    loaded, digest = load_pixel_mapper(path, "tiny")
    pixels = 255 * torch.rand(2, 3, 20, 20)
    assert torch.allclose(loaded(pixels), mapper(pixels), atol=2e-2) and len(digest) == 64


def test_files_that_are_no_mapper_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(WeightsError, match="missing"):
        load_pixel_mapper(path, "tiny")
    save_pixel_mapper(empty_mapper(), "tiny", {}, path)
    with pytest.raises(WeightsError, match="not of other"):
        load_pixel_mapper(path, "other")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="damaged"):
        load_pixel_mapper(path, "tiny")
