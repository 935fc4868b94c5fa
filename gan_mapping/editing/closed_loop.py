"""Closed-loop editing: draw the edit, observe whether what was asked for arrived, and go further or less far.

The same step along a direction gives one face a beard and another a shadow on the chin. The layers that know how far
a face has to go know it of faces on average; an observation of the drawn edit knows it of this one.
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

# Bounds of what is believed of an attribute's answer, score gained per unit of step. Slower than the first, an
# attribute that has not answered yet would be thrown across the face; faster than the second is noise.
_SLOWEST, _FASTEST = 0.35, 2.5
# Steps shorter than this say nothing of the answer: scores of two drawings differ by about as much anyway.
_SHORTEST_MEASURED = 0.05
# How much longer than `most` times its length a step may get in any case, so that a very short one can grow.
_GROWTH = 0.1
# The weight of what went beyond a goal, beside that of what is missing to it; it is squared like the rest.
_BEYOND = 0.5


class Observation(NamedTuple):
    """What a drawn face shows.

    scores: [A] the attribute reader's, 0 is "no" and 1 is "yes" on average. latent_residual: [] distance between the
    w that the vision mapper reads off the picture and the one it was drawn from.
    """

    scores: Tensor
    latent_residual: Tensor


Observe = Callable[[Tensor], Observation]  # offset [1, num_ws, w_dim] -> what the face drawn with it shows


@dataclass(frozen=True)
class ClosedLoopConfig:
    """How an edit is tried out and corrected. Scores and steps are in no-to-yes distances of their attribute.

    looks: drawings of the edit that are observed, at most.
    close: an attribute counts as arrived when its score is this near to its goal.
    ceiling: an attribute that the wish excludes may keep this share of the way from "no" to "yes" before it is reduced.
    spoiled_factor: a step that brought an excluded attribute along is tried again at this part of its length.
    least: one correction makes a step no shorter than this part of it.
    most: one correction makes a step no longer than this multiple of it.
    furthest: no step gets longer than this, whatever the observations say.
    shorten: a step that was enough is tried again at this part of its length, or halfway to the longest step that was
        not enough where that is longer; 1 keeps every step that was enough.
    worth: a shorter step is tried only when it is at most this part of the step that was enough.
    reference_share: the latent residual of the unedited face counts as no less than this share of the reference
        residual (and as no more than all of it).
    max_ratio: latent residual of the edit over that of the unedited face up to which nothing is held against the edit.
    residual_weight: weight of the squared excess over `max_ratio`, beside the squared distance to the goals.
    length_weight: weight of the squared length of the steps, which decides between edits that are equally near.
    backtrack_ratio: above this ratio of latent residuals the picture has fallen apart, and the steps are taken back.
    backtrack: a step that is taken back is tried again at this part of its length.
    drift: an attribute that the wish is to leave alone counts as changed when its score moved by more than this.
    restorations: drawings that are observed, at most, to put such attributes back.
    furthest_back: no step that puts one back is longer than this.
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
    drift: float = 0.3
    restorations: int = 2
    furthest_back: float = 1.2

    def __post_init__(self) -> None:
        if self.looks < 1 or not 0 < self.least <= 1 <= self.most:
            raise UsageError("The closed loop needs 1 or more looks, and 0 < least <= 1 <= most.")
        if max(self.reference_share, self.shorten, self.spoiled_factor, self.worth) > 1:
            raise UsageError("The closed loop needs reference_share, shorten, spoiled_factor and worth of at most 1.")
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
            raise UsageError("The closed loop needs its lengths, shares and limits above 0.")
        if min(self.drift, self.furthest_back) <= 0 or self.restorations < 0:
            raise UsageError("The closed loop needs drift and furthest_back above 0, and 0 or more restorations.")
        if not 0 < self.backtrack < 1:
            raise UsageError("The closed loop needs a backtrack between 0 and 1.")


@dataclass(frozen=True)
class EditOffset:
    """An edit of one face in W+.

    offset: [1, num_ws, w_dim] at strength 1. suppressed_part: the part of it that only keeps out what nobody spoke of.
    look: which of the observed drawings (from 0) shows it; -1: none does.
    """

    offset: Tensor
    suppressed_part: Tensor
    look: int

    @classmethod
    def unobserved(cls, offset: Tensor) -> EditOffset:
        """An offset that was not tried out and suppresses nothing."""
        return cls(offset, torch.zeros_like(offset), -1)

    def at(self, strength: float) -> Tensor:
        """The offset at that strength. Its opposite brings nothing that a wish had to keep out."""
        return strength * (self.offset if strength >= 0 else self.offset - self.suppressed_part)


def closed_loop_offset(
    mapper: OffsetMapper,
    ws: Tensor,
    intents: Tensor,
    before: Observation,
    observe: Observe,
    config: ClosedLoopConfig | None = None,
    reference_residual: float = 0.0,
    excludes: Tensor | None = None,
    held: Tensor | None = None,
) -> EditOffset:
    """The best of a few offsets that take this face's picture to where the intents want it.

    ws: [1, num_ws, w_dim]; intents: [1, A]; before: what the face's unedited picture shows. The first offset knows
    only `before`; in each further one every step is corrected by what it has achieved so far per unit of its length.
    Relative intents (older) are steps, not places: only a backtrack from a picture that falls apart changes them. In
    the end, what changed although the wish was to leave it alone is put back (`held`).

    reference_residual: the mean latent residual of drawn faces, where it is known. A latent that was itself read off a
    picture has a smaller residual, a refined one a larger; neither is a reason to take an edit of that face back much
    sooner, or any later, than that of another face.

    excludes: bool [A, A], where an intent for the row says that the column is not to be there (dark glasses, when
    clear ones are asked for, or none). Nothing is done about it as long as it does not show.

    held: bool [A, A], where an edit by the intent of the row is to leave the column as it is: a beard, when a smile is
    asked for.
    """
    config = config or ClosedLoopConfig()
    plan = _plan(mapper, ws, intents, before, excludes, config)
    sign, steps, steerable = plan.sign, plan.steps, plan.steerable
    best, best_seen = _offset_of(mapper, steps, plan.suppressed, -1), None
    least_cost = math.inf
    unedited_residual = before.latent_residual.clamp(min=1e-6)
    if reference_residual > 0:
        unedited_residual = unedited_residual.clamp(config.reference_share * reference_residual, reference_residual)
    search = StepSearch(config, plan.visible[steerable], plan.spoils[steerable][:, steerable])
    drawn: list[Tensor] = []
    while bool(steerable.any()) and len(drawn) < config.looks:
        tried, size = _offset_of(mapper, steps, plan.suppressed, len(drawn)), steps[steerable].abs()
        drawn.append(size)
        after = observe(tried.offset)
        left = ((plan.goals - after.scores) * sign)[steerable]
        left = torch.where(plan.suppressed[steerable], F.relu(left), left)
        missing = (F.relu(left - config.close) + F.relu(-left - config.close) * _BEYOND).square().sum()
        residual_ratio = after.latent_residual / unedited_residual
        cost = float(missing + config.length_weight * size.square().sum())
        cost += config.residual_weight * float(F.relu(residual_ratio - config.max_ratio).square())
        if cost < least_cost:
            best, best_seen, least_cost = tried, after, cost
        if residual_ratio > config.backtrack_ratio:
            steps = config.backtrack * steps
            continue
        corrected = search.next(size, left, ((after.scores - before.scores) * sign)[steerable])
        if any(torch.equal(corrected, size) for size in drawn):
            break
        steps = steps.clone()
        steps[steerable] = sign[steerable] * corrected
    asked = intents[0] != 0
    if held is None or not bool(asked.any()):
        return best
    kept = held.to(asked.device)[asked].all(dim=0) & ~asked & ~plan.suppressed
    limit = config.max_ratio * unedited_residual
    return _with_held_put_back(mapper, best, best_seen, len(drawn), before, kept, plan, observe, config, limit)


def _with_held_put_back(
    mapper: OffsetMapper,
    edit: EditOffset,
    seen: Observation | None,
    drawn: int,
    before: Observation,
    kept: Tensor,
    plan: _Plan,
    observe: Observe,
    config: ClosedLoopConfig,
    limit: Tensor,
) -> EditOffset:
    """The edit with steps back along what it changed unasked, as long as that makes it better.

    seen: what the edit shows, where it was observed. drawn: how many drawings were observed so far. kept: [A] bool.
    limit: [] latent residual up to which nothing is held against an edit.
    """
    if config.restorations == 0 or not bool(kept.any()):
        return edit
    if seen is None:
        seen, drawn = observe(edit.offset), drawn + 1

    def cost_of(shown: Observation) -> float:
        moved = F.relu((shown.scores - before.scores).abs()[kept] - config.drift)
        left = ((plan.goals - shown.scores) * plan.sign)[plan.steerable]
        torn = F.relu((shown.latent_residual - limit) / limit * config.max_ratio)
        missing = F.relu(left - config.close)
        return float(moved.square().sum() + missing.square().sum() + config.residual_weight * torn.square())

    least_cost, back = cost_of(seen), torch.zeros_like(before.scores)
    best = edit
    for _ in range(config.restorations):
        moved = seen.scores - before.scores
        changed = kept & (moved.abs() > config.drift)
        if not bool(changed.any()):
            break
        back = torch.where(changed, back - moved, back).clamp(-config.furthest_back, config.furthest_back)
        step = mapper.along(back)[None]
        tried = EditOffset(edit.offset + step, edit.suppressed_part + step, drawn)
        seen, drawn = observe(tried.offset), drawn + 1
        cost = cost_of(seen)
        if cost < least_cost:
            best, least_cost = tried, cost
    return best


class _Plan(NamedTuple):
    """What is known before anything is drawn, [A] each unless said otherwise.

    goals: the scores to reach. sign: the way there, 0 for what is left alone. steps: the first steps, signed.
    suppressed: what is to be kept out although nobody spoke of it. steerable: what an observation can correct.
    visible: the shortest step that people see. spoils: [A, A], where the column's coming means that the row's step
    went wrong.
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
    # As in `OffsetMapper.steps`: whoever asks for what is there already wants to see an answer.
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


def _offset_of(mapper: OffsetMapper, steps: Tensor, suppressed: Tensor, look: int) -> EditOffset:
    return EditOffset(mapper.along(steps)[None], mapper.along(steps * suppressed)[None], look)


class StepSearch:
    """Looks for each attribute's shortest step that is enough, between one that is too short and one that is not."""

    def __init__(self, config: ClosedLoopConfig, visible: Tensor, spoils: Tensor) -> None:
        """For n attributes. visible: [n] no step is shorter than that, unless a shorter one was enough.

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
        spoiled = (self._spoils & ~there).any(dim=1)
        reached = there & ~spoiled
        longer = ~reached & ~spoiled & (size > self._short)
        # A longer step brought less, so the goal lies before both.
        self._beyond |= longer & (self._short > 0) & (left > self._short_left)
        self._least = self._least.minimum(size)
        # Steps act on each other: what was enough may not be, once another one has grown.
        forgotten = torch.where(size < self._enough, self._enough, math.inf)
        self._enough = torch.where(reached, self._enough.minimum(size), forgotten)
        self._short_left = torch.where(longer, left, self._short_left)
        self._short = torch.where(self._beyond, 0.0, torch.where(longer, size, self._short))
        slope = gained / size.clamp(min=_SHORTEST_MEASURED)
        # An attribute that comes suddenly (a hat is there or not, with little between) is tried further out, too.
        wanted = size + left / slope.clamp(_SLOWEST, _FASTEST)
        # Without a step so far nothing is known of how the attribute answers: go the whole way that is left.
        most = torch.where(size > 0, size * config.most + _GROWTH, F.relu(left))
        wanted = wanted.clamp(size * config.least, most).clamp(max=config.furthest)
        wanted = torch.where(spoiled, wanted.minimum(config.spoiled_factor * size), wanted)
        sought = torch.where(self._beyond, config.shorten * self._least, wanted)
        no_more = torch.where(left < -config.close, self._enough.minimum(wanted), self._enough)
        # Shorter steps are tried only once everything has arrived: before that they say nothing of the whole edit.
        known = self._shorter(no_more) if bool(self._enough.isfinite().all()) else no_more
        following = torch.where(self._enough.isinf(), sought, known)
        return torch.maximum(following, self._visible.minimum(self._enough))

    def _shorter(self, no_more: Tensor) -> Tensor:
        """Shorter steps that may be enough, too; no_more: [n] the steps that the goals alone ask for."""
        config = self._config
        part = no_more.minimum(config.shorten * self._enough)
        # Attributes can come suddenly: what a step that was too short has brought does not tell where they start.
        part = torch.where(self._short > 0, part.maximum((self._short + self._enough) / 2), part)
        return torch.where(part > config.worth * self._enough, self._enough, part)
