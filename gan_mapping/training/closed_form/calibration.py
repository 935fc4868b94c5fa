"""Closing the loop: render small edits, ask the picture classifier what really changed, and mend the directions.

A linear probe of the latent only predicts what a step does. Here every direction is tried on faces of the
training split, separately in three groups of layers, and the measured change of every attribute decides how
much each group of layers contributes and how long the step is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_mapping.training.closed_form.attributes import may_follow

# Rows of w+ by resolution: coarse 4-16, middle 32-64, fine 128-1024 (MobileStyleGAN's 23 rows).
LAYER_GROUPS: tuple[tuple[int, ...], ...] = (tuple(range(0, 7)), tuple(range(7, 13)), tuple(range(13, 23)))

Scorer = Callable[[Tensor], Tensor]  # ws [B, num_ws, w_dim] -> picture scores [B, A]


def layer_groups(num_ws: int) -> tuple[tuple[int, ...], ...]:
    """The three groups of rows by the same resolutions; other than 23 rows are StyleGAN2's, two an octave."""
    if num_ws == LAYER_GROUPS[-1][-1] + 1:
        return LAYER_GROUPS
    rows = tuple(range(num_ws))
    return rows[:5], rows[5:9], rows[9:]


@dataclass(frozen=True)
class Calibration:
    """gains [A, groups] of each layer group; response [A, A] measured change per unit step after the mending."""

    gains: Tensor
    response: Tensor


def measure_groups(directions: Tensor, latents: Tensor, score: Scorer, num_ws: int, step: float) -> Tensor:
    """Mean change of every score per unit step: directions [A, w_dim], latents [N, w_dim] -> [A, groups, A]."""
    count = len(directions)
    response = torch.zeros(count, len(LAYER_GROUPS), count)
    base = latents[:, None].repeat(1, num_ws, 1)
    before = score(base)
    for a in range(count):
        for g, rows in enumerate(layer_groups(num_ws)):
            shift = torch.zeros_like(base)
            shift[:, list(rows)] = directions[a] * step
            response[a, g] = (score(base + shift) - before).mean(0) / step
    return response


def solve_gains(
    response: Tensor, attributes: Sequence[str], even: float = 1.0, largest: float = 1.9, leak: float = 1.0
) -> Calibration:
    """Group gains that change the target by 1 and the held attributes least, staying near even gains.

    Minimises leak * sum_b (g . R_b)^2 + even * |g - mean g|^2 with g . R_a = 1, then clips to [0, largest].
    """
    count, groups, _ = response.shape
    gains = torch.zeros(count, groups)
    centring = torch.eye(groups) - 1.0 / groups
    for a, name in enumerate(attributes):
        held = torch.tensor([b not in may_follow(name) for b in attributes])
        r = response[a][:, held]
        target = response[a][:, a].clamp(min=0)
        cost = leak * r @ r.T + even * centring + 1e-3 * torch.eye(groups)
        g = torch.linalg.solve(cost, target)
        g = g.clamp(min=0)
        g = g / (g @ target).clamp(min=1e-3)
        gains[a] = g * (largest / g.max()).clamp(max=1.0)
    return Calibration(gains, torch.einsum("ag,agb->ab", gains, response))


def spread_over_layers(directions: Tensor, gains: Tensor, num_ws: int) -> Tensor:
    """directions [A, w_dim], gains [A, groups] -> [A, num_ws, w_dim]."""
    layered = torch.zeros(len(directions), num_ws, directions.shape[1])
    for g, rows in enumerate(layer_groups(num_ws)):
        layered[:, list(rows)] = (gains[:, g, None] * directions)[:, None]
    return layered
