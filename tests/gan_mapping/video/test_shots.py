"""Cuts: found where they are, and nowhere else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from gan_mapping.video.shots import CutConfig, Signature, shot_starts


def scene(seed: int, frames: int, speed: float = 2.0) -> list[np.ndarray]:
    """A camera that pans over a picture of soft blobs, with noise."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, (8, 24, 3)).astype(np.uint8))
    wide = np.asarray(blobs.resize((1200, 180), Image.Resampling.BICUBIC)).astype(np.int16)
    views = []
    for i in range(frames):
        left = round(i * speed) % 800
        noisy = wide[:, left : left + 320] + rng.normal(0, 3, (180, 320, 3))
        views.append(noisy.clip(0, 255).astype(np.uint8))
    return views


def cuts_of(frames: list[np.ndarray]) -> list[int]:
    return [i for i, starts in enumerate(shot_starts(frames)) if starts]


@pytest.mark.parametrize("lengths", [(20, 20), (5, 30, 7), (1, 12), (12, 1), (4, 4, 4, 4)])
def test_cuts_are_found_to_the_frame(lengths: tuple[int, ...]) -> None:
    frames = list(itertools.chain(*(scene(seed, n) for seed, n in enumerate(lengths))))
    assert cuts_of(frames) == [0, *itertools.accumulate(lengths)][:-1]


@pytest.mark.parametrize("speed", [0.0, 2.0, 12.0])
def test_motion_is_no_cut(speed: float) -> None:
    assert cuts_of(scene(3, 40, speed)) == [0]


def test_a_flash_and_a_broken_frame_are_no_cuts() -> None:
    frames = scene(4, 40)
    frames[10] = np.minimum(frames[10].astype(np.int16) + 170, 255).astype(np.uint8)
    frames[25] = np.zeros_like(frames[25])
    assert cuts_of(frames) == [0]


def test_a_fade_is_no_row_of_cuts() -> None:
    frames = [(frame * (i / 29)).astype(np.uint8) for i, frame in enumerate(scene(5, 30))]
    assert cuts_of(frames) == [0]


def test_streaming_keeps_up_and_holds_little() -> None:
    given = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal given
        for frame in scene(6, 30):
            given += 1
            yield frame

    config = CutConfig(reach=3)
    for answered, _ in enumerate(shot_starts(frames(), config), start=1):
        assert given - answered <= config.reach
    assert answered == 30
    assert list(shot_starts([])) == []


def test_distance_is_a_distance() -> None:
    a, b, flat = (Signature.of(frame) for frame in (*scene(7, 1), *scene(8, 1), np.full((90, 160, 3), 77, np.uint8)))
    assert a.distance(a) == pytest.approx(0, abs=1e-6)
    assert flat.distance(flat) == 0
    assert 0.3 < a.distance(b) <= 1
    assert a.distance(b) == pytest.approx(b.distance(a))
