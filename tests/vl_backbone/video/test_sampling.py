"""Frame indices: the released loaders' own answers, and what must hold for every video length."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.video.sampling import ClipIndices, SamplingConfig, inference_indices, training_indices

GOLDENS = json.loads((Path(__file__).parent / "data" / "frame_indices.json").read_text(encoding="utf-8"))


def indices_of(golden: dict[str, Any]) -> ClipIndices:
    config = SamplingConfig(golden["clips"], golden["frames"], golden["rate"], golden["short"])
    if golden["seed"] is None:
        return inference_indices(golden["total"], config)
    return training_indices(golden["total"], config, random.Random(golden["seed"]))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda g: f"{g['total']}-{g['frames']}-{g['short']}-{g['seed']}")
def test_indices_are_those_of_the_released_loaders(golden: dict[str, Any]) -> None:
    if golden["middle"] is None:
        with pytest.raises(InputError, match=f"{golden['total']} frames"):
            indices_of(golden)
        return
    found = indices_of(golden)
    assert list(found.middle) == golden["middle"]
    assert [i for clip in found.neighbours for i in clip] == golden["neighbours"]


@given(
    total=st.integers(1, 400),
    clips=st.integers(1, 9),
    reach=st.integers(0, 6),
    rate=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_every_video_with_a_frame_gives_clips_inside_it(
    total: int, clips: int, reach: int, rate: int, seed: int
) -> None:
    config = SamplingConfig(clips, 2 * reach + 1, rate)
    for found in (inference_indices(total, config), training_indices(total, config, random.Random(seed))):
        assert len(found.middle) == len(found.neighbours) == clips
        assert sorted(found.middle) == list(found.middle)
        for middle, around in zip(found.middle, found.neighbours, strict=True):
            window = [*around[:reach], middle, *around[reach:]]
            assert len(window) == config.frames and window == sorted(window)
            assert window[0] >= 0 and window[-1] < total


def test_bad_requests_are_refused() -> None:
    for bad in ({"frames": 6}, {"clips": 0}, {"rate": 0}, {"short": "guess"}):
        with pytest.raises(UsageError):
            SamplingConfig(**bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no frames"):
        inference_indices(0, SamplingConfig())
