"""Pictures to batches and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_mapping.images import halved, to_batch, to_uint8


@pytest.mark.parametrize("size", [255, 256, 300, 512])
def test_resized_pixels_stay_pixels(size: int) -> None:
    white = np.full((1024, 1024, 3), 255, np.uint8)
    batch = to_batch([white], size, torch.device("cpu"))
    assert batch.shape == (1, 3, size, size)
    assert float(batch.max()) <= 255.0
    assert float(batch.min()) > 254.9


def test_half_a_picture_is_the_mean_of_its_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    means = picture.astype(float).reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(halved(picture) - means).max() <= 0.5


def test_uint8_comes_back() -> None:
    picture = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(1, 4, 4, 3) * 5
    signed = torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert np.array_equal(to_uint8(signed), picture)
