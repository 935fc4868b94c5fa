"""Which frames of a video a hybrid image sequence is made of (HD-VILA, section 4.1).

A clip is one middle frame, shown in high resolution, and its neighbours on both sides at a fixed distance, shown
small. The rules are those of the released training code: middle frames are drawn from (training) or spread over
(inference) the range in which the whole window fits, and clips may overlap.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from vl_backbone.common.errors import InputError, UsageError

ShortVideo = Literal["repeat", "refuse"]


@dataclass(frozen=True)
class SamplingConfig:
    """clips: how many per video. frames: per clip, middle one included, so odd. rate: distance of neighbours in frames.

    short: what becomes of a video with too few frames even for a distance of one. "repeat" shows the middle frame
    in place of its neighbours (and frames twice when there are fewer than clips), as the question-answering loader
    does; "refuse" raises, as retrieval and pre-training do.
    """

    clips: int = 2
    frames: int = 7
    rate: int = 12
    short: ShortVideo = "repeat"

    def __post_init__(self) -> None:
        if self.clips < 1 or self.rate < 1:
            raise UsageError(f"clips and rate must be 1 or more, got {self.clips} and {self.rate}.")
        if self.frames < 1 or self.frames % 2 == 0:
            raise UsageError(f"frames must be odd (neighbours on both sides of a middle frame), got {self.frames}.")
        if self.short not in ("repeat", "refuse"):
            raise UsageError(f'short must be "repeat" or "refuse", got {self.short!r}.')

    @property
    def reach(self) -> int:
        """Neighbours on each side of the middle frame."""
        return (self.frames - 1) // 2


@dataclass(frozen=True)
class ClipIndices:
    """middle: one frame number per clip. neighbours: per clip, those before the middle, then those after it."""

    middle: tuple[int, ...]
    neighbours: tuple[tuple[int, ...], ...]


def inference_indices(total: int, config: SamplingConfig) -> ClipIndices:
    """Evenly spread clips of a video of `total` frames; always the same ones.

    The first middle frame is the first that can be one, so the spread is not centred. Raises InputError for an
    empty video, or for one that is too short when `config.short` is "refuse".
    """
    rate = _rate_that_fits(total, config)
    first, last = _middle_range(total, config, rate)
    step = (last - first) // config.clips
    middle = [first + step * i for i in range(config.clips)] if step else _stretched(first, last, config.clips)
    return _clips(middle, config, rate)


def training_indices(total: int, config: SamplingConfig, rng: random.Random) -> ClipIndices:
    """Clips at random places of a video of `total` frames, in the order of time; errors as `inference_indices`."""
    rate = _rate_that_fits(total, config)
    first, last = _middle_range(total, config, rate)
    if last - first < config.clips:
        return _clips(_stretched(first, last, config.clips), config, rate)
    return _clips(sorted(rng.sample(range(first, last), config.clips)), config, rate)


def _rate_that_fits(total: int, config: SamplingConfig) -> int:
    """The configured distance, or the largest that leaves a middle frame for every clip; 0 repeats the middle."""
    if total < 1:
        raise InputError("The video has no frames.")
    if config.reach == 0 or total - 2 * config.reach * config.rate >= config.clips:
        return config.rate
    rate = max(total - config.clips, 0) // (2 * config.reach)
    if rate == 0 and config.short == "refuse":
        need = 2 * config.reach + config.clips
        raise InputError(
            f"The video has {total} frames; {config.clips} clips of {config.frames} frames need {need} or more."
        )
    return rate


def _middle_range(total: int, config: SamplingConfig, rate: int) -> tuple[int, int]:
    return config.reach * rate, total - config.reach * rate


def _stretched(first: int, last: int, clips: int) -> list[int]:
    """Fewer frames than clips: all of them in order, some more than once."""
    return [first + (last - first) * i // clips for i in range(clips)]


def _clips(middle: list[int], config: SamplingConfig, rate: int) -> ClipIndices:
    offsets = [rate * i for i in range(-config.reach, config.reach + 1) if i]
    return ClipIndices(tuple(middle), tuple(tuple(m + o for o in offsets) for m in middle))
