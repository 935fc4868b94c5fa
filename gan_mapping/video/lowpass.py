"""A low-pass filter over a stream: every value becomes a Gaussian mean of its neighbours in time.

Works on runs: neighbours of another run (a face of another shot) never mix in. The window is finite, so the
answer for a frame depends on `radius` frames on either side and on nothing else: work taken up in the middle of
a clip gives what an unbroken run gives.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import torch
from kornia.filters import get_gaussian_kernel1d
from torch import Tensor

Item = TypeVar("Item")
Out = TypeVar("Out")


class Sample(NamedTuple, Generic[Item]):
    """One moment of a stream: what it belongs to, the run it is part of (None: no run) and its value."""

    item: Item
    run: int | None
    value: Tensor | None


def gaussian_taps(sigma: float) -> Tensor:
    """[2r + 1] weights of a Gaussian that sum to 1; sigma in frames, r = 2.5 sigma rounded up (0: no filter)."""
    if not math.isfinite(sigma) or sigma < 0:
        raise ValueError(f"sigma must be 0 or more frames, got {sigma}")
    radius = radius_of(sigma)
    if radius == 0:
        return torch.ones(1)
    taps: Tensor = get_gaussian_kernel1d(2 * radius + 1, sigma)[0]
    return taps


def radius_of(sigma: float) -> int:
    """How many frames before and after a frame matter for its filtered value."""
    return math.ceil(2.5 * sigma) if sigma > 0.2 else 0


def lowpass(samples: Iterable[Sample[Item]], sigma: float) -> Iterator[Sample[Item]]:
    """Filters the values of a stream; items and runs pass through, in order, `radius_of(sigma)` samples later.

    A run is a stretch of samples with the same number; at its ends the window shrinks to what is there.
    sigma is in frames. A value of None, or one outside any run, stays as it is.
    """
    taps = gaussian_taps(sigma)
    radius = len(taps) // 2
    window: deque[Sample[Item]] = deque()
    centre = 0  # position in the window of the next sample to give out
    for sample in samples:
        window.append(sample)
        if len(window) - centre > radius:
            yield _filtered(window, centre, taps)
            centre += 1
            if centre > radius:
                window.popleft()
                centre -= 1
    while centre < len(window):
        yield _filtered(window, centre, taps)
        centre += 1


def _filtered(window: deque[Sample[Item]], centre: int, taps: Tensor) -> Sample[Item]:
    middle = window[centre]
    if middle.run is None or middle.value is None:
        return middle
    radius = len(taps) // 2
    total, weight = torch.zeros_like(middle.value), 0.0
    for direction in (1, -1):
        start = 0 if direction == 1 else 1  # the middle counts once
        for distance in range(start, radius + 1):
            place = centre + direction * distance
            if not 0 <= place < len(window) or window[place].run != middle.run:
                break
            value = window[place].value
            if value is not None:
                tap = float(taps[radius + distance])
                total += tap * value
                weight += tap
    return Sample(middle.item, middle.run, total / weight)
