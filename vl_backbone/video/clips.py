"""Hybrid image sequences from video files: true high-resolution middle frames with quarter-size neighbours.

HD-VILA, section 4.1. A frame is scaled to `resize`, one crop is chosen for the whole sample, and the high-resolution
frame is the same crop at four times the size, cut from the frame itself and not from its small version.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vl_backbone.common.errors import UsageError
from vl_backbone.video.reader import index_frames, read_frames
from vl_backbone.video.sampling import SamplingConfig, inference_indices, training_indices

Fit = Literal["stretch", "pad"]
High = Literal["true", "enlarged"]
Interpolation = Literal["nearest", "bilinear"]
HR_FACTOR = 4


@dataclass(frozen=True)
class ClipConfig:
    """How files become clips. The defaults are those of HD-VILA's pre-training, with true high resolution.

    sampling: which frames. fps: resample to so many frames a second first; None keeps the file's own frames.
    resize, crop: (height, width) of the small frames; the high-resolution ones have four times these.
    fit: "stretch" to resize, ignoring the aspect ratio, or "pad": longer side to resize, zeros right and below
    (TGIF-QA). interpolation: "nearest", as the released loaders do, or "bilinear" (antialiased).
    high: "true", or "enlarged": the small crop blown up bicubically, as the released retrieval loader does.
    random_crop, flip: in training, whether the crop moves and the probability of mirroring.
    """

    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    fps: float | None = None
    resize: tuple[int, int] = (180, 288)
    crop: tuple[int, int] = (160, 256)
    fit: Fit = "stretch"
    interpolation: Interpolation = "nearest"
    high: High = "true"
    random_crop: bool = True
    flip: float = 0.0

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise UsageError(f"fps must lie in (0, 1000], got {self.fps}.")
        if any(side < 1 for side in self.crop) or any(c > r for c, r in zip(self.crop, self.resize, strict=True)):
            raise UsageError(f"crop {self.crop} must fit into resize {self.resize}.")
        choices = {"fit": ("stretch", "pad"), "interpolation": ("nearest", "bilinear"), "high": ("true", "enlarged")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}.")
        if not 0 <= self.flip <= 1:
            raise UsageError(f"flip is a probability, got {self.flip}.")


@dataclass(frozen=True)
class HybridClips:
    """hr: [S, 3, H, W] middle frames; lr: [S, N, 3, h, w] neighbours in the order of time; RGB uint8."""

    hr: Tensor
    lr: Tensor


@dataclass(frozen=True)
class FrameShaper:
    """One crop (and mirroring) for all frames of a sample. top, left: of the crop, in small pixels."""

    config: ClipConfig
    top: int
    left: int
    mirrored: bool

    @classmethod
    def draw(cls, config: ClipConfig, rng: random.Random | None) -> FrameShaper:
        """A random crop and flip as the config says; without rng the centre, not mirrored."""
        spare = [r - c for r, c in zip(config.resize, config.crop, strict=True)]
        if rng is None:
            return cls(config, spare[0] // 2, spare[1] // 2, False)
        top, left = (
            (rng.randint(0, spare[0]), rng.randint(0, spare[1]))
            if config.random_crop
            else (spare[0] // 2, spare[1] // 2)
        )
        return cls(config, top, left, bool(config.flip) and rng.random() < config.flip)

    def low(self, rgb: np.ndarray) -> Tensor:
        """RGB uint8 [H, W, 3] of any size -> uint8 [3, *crop]."""
        return self._cut(rgb, 1)

    def high(self, rgb: np.ndarray) -> Tensor:
        """RGB uint8 [H, W, 3] of any size -> uint8 [3, *4 crop]."""
        if self.config.high == "true":
            return self._cut(rgb, HR_FACTOR)
        large = F.interpolate(self.low(rgb)[None].float(), scale_factor=HR_FACTOR, mode="bicubic", align_corners=False)
        return large[0].round().clamp(0, 255).to(torch.uint8)

    def _cut(self, rgb: np.ndarray, factor: int) -> Tensor:
        scaled = self._scaled(torch.from_numpy(rgb).permute(2, 0, 1)[None], factor)[0]
        top, left = self.top * factor, self.left * factor
        height, width = (side * factor for side in self.config.crop)
        cut = scaled[:, top : top + height, left : left + width]
        return (cut.flip(-1) if self.mirrored else cut).contiguous()

    def _scaled(self, frame: Tensor, factor: int) -> Tensor:
        """[1, 3, H, W] uint8 -> [1, 3, *factor * resize] uint8."""
        height, width = (side * factor for side in self.config.resize)
        size = (height, width)
        if self.config.fit == "pad":
            scale = min(height / frame.shape[2], width / frame.shape[3])
            size = (
                min(height, max(1, round(frame.shape[2] * scale))),
                min(width, max(1, round(frame.shape[3] * scale))),
            )
        if self.config.interpolation == "nearest":
            scaled = F.interpolate(frame, size, mode="nearest")
        else:
            smooth = F.interpolate(frame.float(), size, mode="bilinear", align_corners=False, antialias=True)
            scaled = smooth.round().clamp(0, 255).to(torch.uint8)
        return F.pad(scaled, (0, width - size[1], 0, height - size[0]))


def load_clips(
    path: Path,
    config: ClipConfig | None = None,
    rng: random.Random | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> HybridClips:
    """The hybrid image sequence of a video file, or of its part from `start` to `end` seconds.

    rng: draws clips, crop and flip for training; None gives the fixed choice for inference.
    Raises InputError, with the file's name, for a file that is missing, damaged, without video or too short.
    """
    config = config or ClipConfig()
    index = index_frames(path)
    timeline = index.timeline(config.fps, start, end)
    if rng is None:
        chosen = inference_indices(len(timeline), config.sampling)
    else:
        chosen = training_indices(len(timeline), config.sampling, rng)
    shaper = FrameShaper.draw(config, rng)
    middle = {timeline[i] for i in chosen.middle}
    around = {timeline[i] for clip in chosen.neighbours for i in clip}
    high: dict[int, Tensor] = {}
    low: dict[int, Tensor] = {}
    for number, rgb in read_frames(index, sorted(middle | around)):
        if number in middle:
            high[number] = shaper.high(rgb)
        if number in around:
            low[number] = shaper.low(rgb)
    hr = torch.stack([high[timeline[i]] for i in chosen.middle])
    count = config.sampling.frames - 1
    if not count:
        return HybridClips(hr, torch.zeros(len(hr), 0, 3, *config.crop, dtype=torch.uint8))
    lr = torch.stack([torch.stack([low[timeline[i]] for i in clip]) for clip in chosen.neighbours])
    return HybridClips(hr, lr)
