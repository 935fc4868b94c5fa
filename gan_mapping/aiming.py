"""Aiming an edit: draw it, look whether what was asked for arrived, and go further or less far.

The same step along a direction gives one face a beard and another a shadow on the chin. The layers that know how far
a face has to go know it of faces on average; a look at the drawn edit knows it of this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.mappers import OffsetMapper


class Sight(NamedTuple):
    """What is read off one picture: scores [A], and the w [w_dim] that the vision mapper takes it for."""

    scores: Tensor
    w: Tensor


Look = Callable[[Tensor], Sight]  # offset [1, num_ws, w_dim] -> what the picture drawn with it shows


@dataclass(frozen=True)
class AimConfig:
    """All distances in no-to-yes distances of the scores.

    looks: how many edits are drawn at most. close: so near to the goals, no other one is tried.
    least, most: by what factor a look may shorten or lengthen a step. furthest: no step is longer.
    strain: a picture that falls apart is one from which its own latent can no longer be read. How many times further
    off that reading may be than for the unedited face; what is beyond counts, squared, against an edit as what is
    missing to its goals does. What goes beyond a goal counts half.
    """

    looks: int = 3
    close: float = 0.12
    least: float = 0.4
    most: float = 2.2
    furthest: float = 2.4
    strain: float = 1.3


@dataclass(frozen=True)
class Aimed:
    """offset: [1, num_ws, w_dim] at strength 1. look: which look (from 0) saw it; -1: none was needed."""

    offset: Tensor
    look: int


def aimed_offset(
    mapper: OffsetMapper, ws: Tensor, intents: Tensor, before: Sight, look: Look, config: AimConfig | None = None
) -> Aimed:
    """The best of a few offsets that take this face's picture to where the intents want it.

    ws: [1, num_ws, w_dim]; intents: [1, A]; before: what the face's unedited picture shows. The first offset knows
    only `before`; in each further one every step is corrected by what it achieved per unit of its length (secant rule).
    Relative intents (older) are steps, not places, and stay as they are.
    """
    config = config or AimConfig()
    sign = intents[0].sign()
    goals = mapper.goals(intents)[0]
    steerable = (sign != 0) & (mapper.relative == 0)
    steps = mapper.steps(ws, intents, before.scores[None])[0]
    best = Aimed(mapper.along(steps)[None], -1)
    least_cost = math.inf
    for number in range(config.looks if bool(steerable.any()) else 0):
        offset = mapper.along(steps)[None]
        after = look(offset)
        left = (goals - after.scores) * sign
        missed = left[steerable]
        missing = (F.relu(missed - config.close) + F.relu(-missed - config.close) / 2).square().sum()
        strained = F.relu(_misread(after, ws + offset) / _misread(before, ws) - config.strain).square()
        cost = float(missing + strained)
        if cost < least_cost:
            best, least_cost = Aimed(offset, number), cost
        if bool((left[steerable].abs() < config.close).all()):
            break
        slope = (after.scores - before.scores) * sign / steps.abs().clamp(min=0.05)
        steps = torch.where(steerable, sign * _corrected(mapper, steps.abs(), left, slope, sign, config), steps)
    return best


def _misread(sight: Sight, ws: Tensor) -> Tensor:
    """How far the latent that is read off a picture is from the one it was drawn from."""
    return (sight.w - ws[0].mean(dim=0)).norm().clamp(min=1e-6)


def _corrected(
    mapper: OffsetMapper, size: Tensor, left: Tensor, slope: Tensor, sign: Tensor, config: AimConfig
) -> Tensor:
    """Sizes of the next steps, [A]; slope: how much each score moved per unit of its step so far."""
    # What does not answer yet (a hat is there or not, with little between) is tried further out, too.
    wanted = size + left / slope.clamp(0.35, 2.5)
    corrected = wanted.clamp(size * config.least, size * config.most + 0.1).clamp(max=config.furthest)
    # As without a look: whoever asks for what is there already wants to see an answer.
    return torch.where(sign > 0, corrected.clamp(min=mapper.limits.at_least), corrected)
