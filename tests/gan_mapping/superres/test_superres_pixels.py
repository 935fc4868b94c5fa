"""The box filter, the levels and the low-frequency correction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gan_mapping.superres.degradation import SIDES, degraded_level
from gan_mapping.superres.pixels import LEVELS, back_project, box_filter, consistency, level_of, to_level


@settings(deadline=None)
@given(st.integers(8, 256))
def test_every_size_is_read_at_a_level_near_it(side: int) -> None:
    level = level_of(side)
    assert level in LEVELS and (level / side <= 4 / 3) and (level / side > 2 / 3 or level == LEVELS[-1])
    assert to_level(torch.zeros(1, 3, side, side), level).shape == (1, 3, level, level)


def test_the_box_filter_is_the_mean_of_boxes() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    small = box_filter(torch.from_numpy(picture).permute(2, 0, 1)[None].float(), 16)
    pillow = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BOX))
    # Pillow rounds twice, once per direction.
    assert np.abs(small[0].permute(1, 2, 0).numpy() - pillow).max() <= 1.01


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([8, 12, 16, 32, 64]))
def test_the_correction_makes_any_picture_consistent(seed: int, side: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    image = 60 + 130 * torch.rand(1, 3, 256, 256, generator=rng)
    pixels = box_filter(60 + 130 * torch.rand(1, 3, 256, 256, generator=rng), side) + 20
    before = consistency(image, pixels)
    corrected = back_project(image, pixels)
    assert consistency(corrected, pixels) < min(2.0, 0.2 * before)


def test_a_consistent_picture_is_left_alone() -> None:
    image = 255 * torch.rand(1, 3, 128, 128)
    assert torch.equal(back_project(image, box_filter(image, 16)), image)


@pytest.mark.parametrize("level", LEVELS)
def test_degraded_faces_keep_their_colours_roughly(level: int) -> None:
    pictures = np.full((6, 64, 64, 3), (200, 100, 50), np.uint8)
    read = degraded_level(pictures, level, np.random.default_rng(0)).view(6, 3, level, level)
    assert np.allclose(read.mean(dim=(2, 3)) * 255, [200, 100, 50], atol=6)
    assert all(level_of(side) == level for side in range(SIDES[level][0], SIDES[level][1] + 1))
    again = degraded_level(pictures, level, np.random.default_rng(0)).view(6, 3, level, level)
    assert torch.equal(read, again)
