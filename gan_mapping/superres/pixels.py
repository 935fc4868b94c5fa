"""Low-resolution faces as tensors: the box filter that defines consistency, and the levels the mapper reads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.images import to_levels

MIN_SIDE = 8
MAX_SIDE = 256
# Sides, in pixels, at which the mapper reads a face; an input is brought to the one near it.
LEVELS = (8, 16, 32)


def level_of(side: int) -> int:
    """The level for an input of that side in pixels: 8 up to 11 px, 16 up to 23 px, 32 beyond."""
    return 8 if side < 12 else 16 if side < 24 else 32


def box_filter(images: Tensor, side: int) -> Tensor:
    """[B, 3, R, R] -> [B, 3, side, side]: means of boxes; consistency is measured after this filter."""
    return F.interpolate(images, size=(side, side), mode="area")


def to_level(images: Tensor, level: int) -> Tensor:
    """[B, 3, s, s] -> [B, 3, level, level]: boxes when there is enough to average, else bilinear."""
    if images.shape[-1] == level:
        return images
    if images.shape[-1] > level:
        return box_filter(images, level)
    return F.interpolate(images, size=(level, level), mode="bilinear", align_corners=False)


def render_to_pixels(images: Tensor) -> Tensor:
    """A generator's [B, 3, R, R] in about [-1, 1] -> 0..255, clamped."""
    return to_levels(images.clamp(-1, 1))


def back_project(image: Tensor, pixels: Tensor, rounds: int = 3) -> Tensor:
    """Adds what the box-filtered image misses of the input, smoothly enlarged; the classic iteration (Irani 1991).

    image: [1, 3, R, R] in 0..255; pixels: [1, 3, s, s] in 0..255. Detail finer than the input is left alone.
    """
    for _ in range(rounds):
        missing = pixels - box_filter(image, pixels.shape[-1])
        image = image + F.interpolate(missing, size=image.shape[-2:], mode="bicubic", align_corners=False)
        image = image.clamp(0, 255)
    return image


def within_budget(change: Tensor, budget: float) -> Tensor:
    """The part of a change of the input that a mean absolute error of `budget` has room for.

    change: [1, 3, s, s], of 255 -> the nearest change with that mean or less: the projection onto an L1 ball
    (Duchi 2008) with each pixel's channels as a group. Large local changes mostly stay, faint ones everywhere go.
    """
    size = change.abs().mean(dim=1, keepdim=True)
    if float(size.mean()) <= budget:
        return change
    ordered = size.flatten().sort(descending=True).values
    counts = torch.arange(1, len(ordered) + 1, device=size.device)
    thresholds = (ordered.cumsum(0) - budget * len(ordered)) / counts
    threshold = thresholds[max(int((ordered > thresholds).sum()), 1) - 1]
    return change * ((size - threshold).clamp(min=0) / size.clamp(min=1e-6))


def consistency(image: Tensor, pixels: Tensor) -> float:
    """Mean absolute error of the box-filtered image against the input, both in 0..255."""
    return float((box_filter(image, pixels.shape[-1]) - pixels).abs().mean())


def enlarge(pixels: Tensor, size: int) -> Tensor:
    """Bicubic enlargement [B, 3, s, s] -> [B, 3, size, size], clamped to 0..255: the plainest baseline."""
    return F.interpolate(pixels, size=(size, size), mode="bicubic", align_corners=False).clamp(0, 255)


def as_pixels(picture: object, device: torch.device) -> Tensor:
    """uint8 [s, s, 3] -> float [1, 3, s, s] in 0..255."""
    return torch.tensor(picture, device=device).permute(2, 0, 1)[None].float()
