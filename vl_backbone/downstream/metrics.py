"""How good a retrieval is: ranks of the true partners."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from vl_backbone.common.errors import InputError


@dataclass(frozen=True)
class Ranking:
    """Recall at 1, 5 and 10 in percent, median and mean rank (1 is best), and how many queries were asked."""

    r1: float
    r5: float
    r10: float
    median_rank: float
    mean_rank: float
    queries: int

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def rank_of_truth(scores: Tensor, truth: Tensor) -> Tensor:
    """scores [Q, C] of candidates per query, truth [Q, C] bool: the right ones -> rank [Q] of the best right one.

    Ties count half: a model that scores everything alike gets the middle rank and not the first.
    """
    if scores.shape != truth.shape or not truth.any(dim=1).all():
        raise InputError("Every query needs scores of all candidates, and one right candidate or more.")
    if not scores.isfinite().all():
        raise InputError("The similarities are not all numbers; the model's weights are broken.")
    best = scores.masked_fill(~truth, float("-inf")).amax(dim=1, keepdim=True)
    wrong = ~truth
    better = ((scores > best) & wrong).sum(dim=1)
    equal = ((scores == best) & wrong).sum(dim=1)
    return 1 + better + equal / 2


def ranking(scores: Tensor, truth: Tensor) -> Ranking:
    """As `rank_of_truth`, summed up."""
    ranks = rank_of_truth(scores, truth).double()

    def recall(k: int) -> float:
        return 100 * (ranks <= k).double().mean().item()

    return Ranking(recall(1), recall(5), recall(10), ranks.quantile(0.5).item(), ranks.mean().item(), len(ranks))


def top_choice_accuracy(scores: Tensor, answers: Tensor) -> float:
    """scores [Q, n], answers [Q] -> percent of questions whose right candidate alone scores highest."""
    truth = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, answers[:, None], True)
    return 100 * (rank_of_truth(scores, truth) == 1).double().mean().item()
