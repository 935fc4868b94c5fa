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

from gan_mapping.mappers.layers import OffsetMapper
from vl_backbone.common.errors import UsageError


class Observation(NamedTuple):
    """What is read off one picture: scores [A], and how far the w it is taken for (vision mapper) is from its own."""

    scores: Tensor
    latent_residual: Tensor


Look = Callable[[Tensor], Observation]  # offset [1, num_ws, w_dim] -> what the picture drawn with it shows


@dataclass(frozen=True)
class ClosedLoopConfig:
    """Scores and steps in no-to-yes distances.

    looks: how many edits are drawn at most. close: so near to its goal, an attribute counts as there.
    ceiling: what must not come along may get such a share of the way from the goal of its removal to that of its wish;
    spoiled_factor: a step that brought it is tried again at that part of its length.
    least, most: by what factor a look may shorten or lengthen a step. furthest: no step is longer.
    shorten: a step that was enough is tried again at that part of its length, or where the looks so far say it starts
    to be enough; `worth`: not if that is no shorter than this part of it. (`shorten` 1: as the goals alone ask.)
    max_ratio: a picture that falls apart is one from which its own latent can no longer be read. How many times further
    off that reading may be than for the unedited face, which counts as no worse than the reference residual and
    no better than `reference_share` of that; what is beyond counts, squared, `residual_weight` times as much against an
    edit as what is missing to its goals. What goes beyond a goal counts a quarter, a step's squared length
    `length_weight` times.
    backtrack_ratio: from that max_ratio on, the next edit goes `backtrack` of the way.
    """

    looks: int = 3
    close: float = 0.15
    ceiling: float = 0.4
    spoiled_factor: float = 0.6
    least: float = 0.4
    most: float = 2.2
    furthest: float = 2.4
    shorten: float = 0.6
    worth: float = 0.85
    reference_share: float = 0.7
    max_ratio: float = 1.7
    residual_weight: float = 2.0
    length_weight: float = 0.001
    backtrack_ratio: float = 2.0
    backtrack: float = 0.7

    def __post_init__(self) -> None:
        if self.looks < 1 or not 0 < self.least <= 1 <= self.most:
            raise UsageError("Aiming needs 1 or more looks, and 0 < least <= 1 <= most.")
        if max(self.reference_share, self.shorten, self.spoiled_factor, self.worth) > 1:
            raise UsageError("Aiming needs reference_share, shorten, spoiled_factor and worth of at most 1.")
        above = (
            self.close,
            self.ceiling,
            self.furthest,
            self.shorten,
            self.spoiled_factor,
            self.worth,
            self.reference_share,
        )
        if not min(*above, self.max_ratio, self.residual_weight, self.backtrack_ratio) > 0 or self.length_weight < 0:
            raise UsageError("Aiming needs its lengths, shares and limits above 0.")
        if not 0 < self.backtrack < 1:
            raise UsageError("Aiming needs a backtrack between 0 and 1.")


@dataclass(frozen=True)
class EditOffset:
    """offset: [1, num_ws, w_dim] at strength 1; suppressed_part: what of it only keeps out what nobody spoke of.

    look: which look (from 0) saw it; -1: none was needed.
    """

    offset: Tensor
    suppressed_part: Tensor
    look: int

    def at(self, strength: float) -> Tensor:
        """The offset at that strength. Its opposite brings nothing that a wish had to keep out."""
        return strength * (self.offset if strength >= 0 else self.offset - self.suppressed_part)


def closed_loop_offset(
    mapper: OffsetMapper,
    ws: Tensor,
    intents: Tensor,
    before: Observation,
    look: Look,
    config: ClosedLoopConfig | None = None,
    reference_residual: float = 0.0,
    excludes: Tensor | None = None,
) -> EditOffset:
    """The best of a few offsets that take this face's picture to where the intents want it.

    ws: [1, num_ws, w_dim]; intents: [1, A]; before: what the face's unedited picture shows. The first offset knows
    only `before`; in each further one every step is corrected by what it has achieved so far per unit of its length.
    Relative intents (older) are steps, not places: only a backtrack from a picture that falls apart changes them.

    reference_residual: how far off the vision mapper's readings of drawn faces are, if known. A latent that was itself
    read off a picture is read back better than that, a refined one worse; neither is a reason to call an edit of it
    torn much sooner, or any later, than another face's.

    excludes: bool [A, A], where an intent for the row says that the column is not to be there (dark glasses, when
    clear ones are asked for, or none). Nothing is done about it as long as it does not show.
    """
    config = config or ClosedLoopConfig()
    plan = _plan(mapper, ws, intents, before, excludes, config)
    sign, steps, steerable = plan.sign, plan.steps, plan.steerable
    best = _aimed(mapper, steps, plan.suppressed, -1)
    least_cost = math.inf
    yardstick = before.latent_residual.clamp(min=1e-6)
    if reference_residual > 0:
        yardstick = yardstick.clamp(config.reference_share * reference_residual, reference_residual)
    search = StepSearch(config, plan.visible[steerable], plan.spoils[steerable][:, steerable])
    drawn: list[Tensor] = []
    while bool(steerable.any()) and len(drawn) < config.looks:
        tried, size = _aimed(mapper, steps, plan.suppressed, len(drawn)), steps[steerable].abs()
        drawn.append(size)
        after = look(tried.offset)
        left = ((plan.goals - after.scores) * sign)[steerable]
        left = torch.where(plan.suppressed[steerable], F.relu(left), left)
        missing = (F.relu(left - config.close) + F.relu(-left - config.close) / 2).square().sum()
        max_ratio = after.latent_residual / yardstick
        cost = float(missing + config.length_weight * size.square().sum())
        cost += config.residual_weight * float(F.relu(max_ratio - config.max_ratio).square())
        if cost < least_cost:
            best, least_cost = tried, cost
        if max_ratio > config.backtrack_ratio:
            steps = config.backtrack * steps
            continue
        corrected = search.next(size, left, ((after.scores - before.scores) * sign)[steerable])
        if any(torch.equal(corrected, size) for size in drawn):
            break
        steps = steps.clone()
        steps[steerable] = sign[steerable] * corrected
    return best


class _Plan(NamedTuple):
    """What aiming knows before it looks, all [A]: where scores are to go, which way, by which first step.

    suppressed: what is to be kept out unasked. steerable: what a look can correct. visible: the shortest step that
    people see. spoils: [A, A], where the column's coming means that the row's step went wrong.
    """

    goals: Tensor
    sign: Tensor
    steps: Tensor
    suppressed: Tensor
    steerable: Tensor
    visible: Tensor
    spoils: Tensor


def _plan(
    mapper: OffsetMapper,
    ws: Tensor,
    intents: Tensor,
    before: Observation,
    excludes: Tensor | None,
    config: ClosedLoopConfig,
) -> _Plan:
    sign = intents[0].sign()
    degree = intents[0].abs().clamp(max=1.0)
    # "A bit" goes a bit of the way, as `OffsetMapper.steps` does.
    goals = before.scores + degree * (mapper.goals(intents)[0] - before.scores)
    steps = mapper.steps(ws, intents, before.scores[None])[0]
    # As without a look: whoever asks for what is there already wants to see an answer.
    visible = mapper.limits.at_least * degree * (sign > 0)
    if excludes is None:
        excludes = torch.zeros(len(sign), len(sign), dtype=torch.bool)
    excludes = excludes.to(sign.device)
    suppressed = excludes[sign != 0].any(dim=0) & (sign == 0)
    goals = torch.where(suppressed, mapper.low + config.ceiling * (mapper.high - mapper.low), goals)
    there = suppressed & (before.scores > goals + config.close)
    steps = torch.where(there, (goals - before.scores).clamp(min=-mapper.limits.at_most), steps)
    # What was there before, no step has brought.
    spoils = excludes & (suppressed & ~there) & (sign > 0)[:, None]
    sign = torch.where(suppressed, -1.0, sign)
    return _Plan(goals, sign, steps, suppressed, (sign != 0) & (mapper.relative == 0), visible, spoils)


def _aimed(mapper: OffsetMapper, steps: Tensor, suppressed: Tensor, look: int) -> EditOffset:
    return EditOffset(mapper.along(steps)[None], mapper.along(steps * suppressed)[None], look)


class StepSearch:
    """For each attribute the shortest step that is enough: between one that is not and one that is."""

    def __init__(self, config: ClosedLoopConfig, visible: Tensor, spoils: Tensor) -> None:
        """visible: [n] no step is shorter than that, unless a shorter one was enough.

        spoils: bool [n, n], where the column's being there means that the row's step went wrong.
        """
        self._config = config
        self._visible = visible
        self._spoils = spoils
        # The longest step that was too short, with what was left to the goal there; the shortest that was enough.
        self._short, self._short_left = torch.zeros_like(visible), torch.zeros_like(visible)
        self._enough = torch.full_like(visible, math.inf)
        self._least = torch.full_like(visible, math.inf)
        self._beyond = torch.zeros_like(visible, dtype=torch.bool)

    def next(self, size: Tensor, left: Tensor, gained: Tensor) -> Tensor:
        """Steps to try after steps of `size` [n] have `gained` [n] so much and `left` [n] so much to their goals."""
        config = self._config
        there = left < config.close
        # Glasses that turned dark are there no longer, but not for lack of a longer step. (With the dark ones taken
        # off as well, next time, they may need one.)
        spoiled_factor = (self._spoils & ~there).any(dim=1)
        reached = there & ~spoiled_factor
        longer = ~reached & ~spoiled_factor & (size > self._short)
        # A longer step brought less, so the goal lies before both.
        self._beyond |= longer & (self._short > 0) & (left > self._short_left)
        self._least = self._least.minimum(size)
        # Steps meddle with each other: what was enough may not be, once another one has grown.
        forgotten = torch.where(size < self._enough, self._enough, math.inf)
        self._enough = torch.where(reached, self._enough.minimum(size), forgotten)
        self._short_left = torch.where(longer, left, self._short_left)
        self._short = torch.where(self._beyond, 0.0, torch.where(longer, size, self._short))
        slope = gained / size.clamp(min=0.05)
        # What does not answer yet (a hat is there or not, with little between) is tried further out, too.
        wanted = size + left / slope.clamp(0.35, 2.5)
        # Where nothing was done yet, nothing is known of how it answers.
        most = torch.where(size > 0, size * config.most + 0.1, F.relu(left))
        wanted = wanted.clamp(size * config.least, most).clamp(max=config.furthest)
        wanted = torch.where(spoiled_factor, wanted.minimum(config.spoiled_factor * size), wanted)
        sought = torch.where(self._beyond, config.shorten * self._least, wanted)
        no_more = torch.where(left < -config.close, self._enough.minimum(wanted), self._enough)
        # First everything gets there; a look at shorter steps would say nothing of the whole before that.
        known = self._shorter(no_more) if bool(self._enough.isfinite().all()) else no_more
        following = torch.where(self._enough.isinf(), sought, known)
        return torch.maximum(following, self._visible.minimum(self._enough))

    def _shorter(self, no_more: Tensor) -> Tensor:
        """What of the steps that were enough may be enough, too; no_more: what their goals alone ask for."""
        config = self._config
        part = no_more.minimum(config.shorten * self._enough)
        # Things come suddenly: how little a step brought that was too short does not tell where they start.
        part = torch.where(self._short > 0, part.maximum((self._short + self._enough) / 2), part)
        return torch.where(part > config.worth * self._enough, self._enough, part)
