"""Fitting the VisionMapper: reduced-rank ridge regression from frozen features to w, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.mappers import VisionMapper


@dataclass(frozen=True)
class VisionFit:
    """The fitted layer, the ridge penalty that validation chose, and its validation cosine."""

    mapper: VisionMapper
    penalty: float
    cosine: float


def offset_cosine(predicted: Tensor, truth: Tensor, w_mean: Tensor) -> float:
    """Mean cosine of latent offsets from w_mean, [N, w_dim] each."""
    return float(F.cosine_similarity(predicted.detach() - w_mean, truth - w_mean).mean())


def fit_vision(
    features: Tensor,
    latents: Tensor,
    validation: tuple[Tensor, Tensor],
    w_mean: Tensor,
    rank: int,
    penalties: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0),
) -> VisionFit:
    """features [N, d] (any float type), latents [N, w_dim] -> VisionMapper of that rank.

    Solved in the dual (N x N), since there are fewer faces than features. `penalties` are relative to the
    mean squared feature vector; the one with the best cosine on `validation` (features, latents) is kept.
    """
    mean, std = features.float().mean(0), features.float().std(0) + 1e-2
    x = (features.float() - mean) / std
    y_mean = latents.mean(0)
    gram = x @ x.T
    scale = float(gram.diagonal().mean())
    check = (validation[0].float() - mean) / std
    check_gram = check @ x.T
    best: tuple[float, float, Tensor] | None = None
    for penalty in penalties:
        ridge = gram + penalty * scale * torch.eye(len(gram))
        dual = torch.cholesky_solve(latents - y_mean, torch.linalg.cholesky(ridge))
        cosine = offset_cosine(check_gram @ dual + y_mean, validation[1], w_mean)
        if best is None or cosine > best[0]:
            best = (cosine, penalty, dual)
    assert best is not None
    cosine, penalty, dual = best
    # Reduced rank: keep the output directions in which the predictions vary most.
    _, vectors = torch.linalg.eigh((gram @ dual).T @ (gram @ dual))
    basis = vectors[:, -rank:]
    down = (x.T @ (dual @ basis)).T / std
    mapper = VisionMapper(x.shape[1], basis.shape[1], latents.shape[1])
    with torch.no_grad():
        mapper.down.weight.copy_(down)
        mapper.up.weight.copy_(basis)
        mapper.up.bias.copy_(y_mean - basis @ (down @ mean))
    return VisionFit(mapper, penalty, cosine)
