"""The numbers themselves: small functions of tensors and arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def ranks(values: Tensor) -> Tensor:
    """[n] -> ranks from 1, as float64; equal values share the mean of theirs."""
    _, level, counts = torch.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Tensor = (counts.cumsum(0) - (counts - 1) / 2)[level].double()
    return mean_ranks


def spearman(values: Tensor) -> float:
    """Rank correlation of a sequence [n] with its own order: 1 when it only rises, 0 when it never changes."""
    if bool((values == values[0]).all()):
        return 0.0
    order = torch.arange(len(values)).double()
    return float(torch.corrcoef(torch.stack((ranks(values), order)))[0, 1])


def area_under_curve(scores: Tensor, positive: Tensor) -> float:
    """Probability that a positive scores above a negative, ties half; nan with fewer than 5 of either."""
    count, others = int(positive.sum()), int((~positive).sum())
    if min(count, others) < 5:
        return math.nan
    return float((ranks(scores)[positive].sum() - count * (count + 1) / 2) / (count * others))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures, in dB; inf for equal ones."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def perceptual_where(a: Sequence[Tensor], b: Sequence[Tensor], where: Tensor) -> float:
    """LPIPS' distance (Zhang 2018, eq. 1) over a part of the picture; nan when that part is empty.

    a, b: maps [1, C, h, w] of several scales, as `PerceptualNetwork.features` gives them. where: bool [S, S].
    """
    if not bool(where.any()):
        return math.nan
    total = 0.0
    for x, y in zip(a, b, strict=True):
        weight = F.adaptive_avg_pool2d(where.float()[None], (x.shape[-2], x.shape[-1]))[0].to(x.device)
        total += float(((x - y).square().sum(1)[0] * weight).sum() / weight.sum())
    return total


def at_equal(x: float, curve: Sequence[tuple[float, float]]) -> float:
    """Reads a curve of (x, y) points at x by straight lines; nan outside the points' range."""
    points = sorted(curve)
    if not points or not points[0][0] <= x <= points[-1][0]:
        return math.nan
    xs, ys = zip(*points, strict=True)
    return float(np.interp(x, xs, ys))


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; nan when there is none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def outside_pixels_changed(photo: np.ndarray, edited: np.ndarray, inside: np.ndarray) -> int:
    """How many pixels (uint8 [H, W, 3]) differ where `inside` [H, W] is False."""
    changed = (photo != edited).any(axis=2)
    return int((changed & ~inside).sum())
