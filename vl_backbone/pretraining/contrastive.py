"""Contrastive learning of videos and sentences over all processes (HD-VILA, equation 4), and its rivals.

All losses take video and text embeddings [B, E], row i of one belonging to row i of the other, unit norm unless
said otherwise, and give a scalar. They are computed in float32, whatever the embeddings are in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from vl_backbone.common.errors import InputError

PRETRAINING_TEMPERATURE = 0.05
FINE_TUNING_TEMPERATURE = 0.08


def contrastive_loss(
    video: Tensor, text: Tensor, temperature: float = PRETRAINING_TEMPERATURE, weight: float = 0.5
) -> Tensor:
    """Cross entropy of each sentence over all videos plus that of each video over all sentences (equation 4).

    weight multiplies the sum: 0.5 in pre-training. In fine-tuning the released code leaves it at 1 (`nce_loss`).
    """
    scores = similarity(video, text) / temperature
    target = torch.arange(len(scores), device=scores.device)
    return weight * (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target))


def nce_loss(video: Tensor, text: Tensor, temperature: float = FINE_TUNING_TEMPERATURE) -> Tensor:
    """The fine-tuning loss: both cross entropies at full weight."""
    return contrastive_loss(video, text, temperature, weight=1.0)


def hard_negative_loss(video: Tensor, text: Tensor, negatives: int = 3) -> Tensor:
    """Both cross entropies over the true pair and its most similar wrong partners only; no temperature.

    negatives: how many wrong partners, at most as many as the batch has.
    """
    scores = similarity(video, text)
    if len(scores) < 2:
        raise InputError("The hard-negative loss needs two or more pairs in a batch.")
    negatives = min(negatives, len(scores) - 1)
    target = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
    total = scores.new_zeros(())
    for rows in (scores, scores.T):
        hardest = _without_pairs(rows, float("-inf")).topk(negatives, dim=1).values
        total = total + F.cross_entropy(torch.cat([rows.diagonal()[:, None], hardest], dim=1), target)
    return total


def triplet_loss(video: Tensor, text: Tensor, margin: float = 0.2, hardest_only: bool = True) -> Tensor:
    """Hinge of the cosine of wrong pairs over the true pair's (VSE++), summed over rows and columns.

    hardest_only: the worst wrong partner counts, not all. The embeddings need not have unit norm.
    """
    scores = similarity(F.normalize(video.float(), dim=1), F.normalize(text.float(), dim=1))
    total = scores.new_zeros(())
    for rows in (scores, scores.T):
        cost = _without_pairs((margin + rows - rows.diagonal()[:, None]).clamp(min=0), 0.0)
        total = total + (cost.amax(dim=1).sum() if hardest_only else cost.sum())
    return total


LOSSES: dict[str, Callable[..., Tensor]] = {
    "contrastive": contrastive_loss,
    "nce": nce_loss,
    "hard_negative": hard_negative_loss,
    "triplet": triplet_loss,
}


def similarity(video: Tensor, text: Tensor) -> Tensor:
    """[T, E] and [V, E] embeddings -> [T, V] dot products in float32: a row per sentence, a column per video."""
    with torch.autocast(video.device.type, enabled=False):
        return text.float() @ video.float().T


def gather_features(features: Tensor) -> Tensor:
    """[B, E] of each process -> [processes * B, E], in the order of ranks; gradients flow back to their owners.

    Every process then computes the same loss over all pairs. The gradient each one sends back is summed over
    processes, which undoes the averaging of data-parallel training: the step equals that of one process which
    holds the joined batch. Without a process group the input comes back as it is. All processes must bring
    the same number of rows.
    """
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return features
    gathered: Tensor = _GatherWithGradient.apply(features)  # type: ignore[no-untyped-call]
    return gathered


class _GatherWithGradient(torch.autograd.Function):
    """all_gather forward; backward sums the gradients of all processes and takes one's own rows."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        parts = [torch.empty_like(features) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, features.contiguous())
        ctx.rows = len(features)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        start = dist.get_rank() * ctx.rows
        return gradient[start : start + ctx.rows]


def _without_pairs(scores: Tensor, value: float) -> Tensor:
    return scores.masked_fill(torch.eye(len(scores), dtype=torch.bool, device=scores.device), value)
