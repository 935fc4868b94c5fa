"""Fitting the VisionMapper: reduced-rank ridge regression from frozen features to w, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.mappers.layers import VisionMapper
from gan_mapping.training.closed_form.stages import fingerprint, kept, stage_file
from gan_mapping.training.rendered_set import load_shards
from gan_mapping.training.ridge import kernel_ridge, main_directions
from vl_backbone.backbones.protocol import Backbone

# Features that are held in float32 at a time, and faces whose inner products are taken at a time.
COLUMNS = 4096
ROWS = 2048
# Best of 0 to 1 (.25 apart) on 400 faces that 2,000 others were fitted without.
RELEVANCE = 0.75


@dataclass(frozen=True)
class VisionFit:
    """The fitted layer, the ridge penalty that validation chose, and its validation cosine."""

    mapper: VisionMapper
    penalty: float
    cosine: float


@dataclass(frozen=True)
class VisionStage(VisionFit):
    """error: how far off it is, on average, on the faces kept aside."""

    error: float


def vision_stage(
    views: Sequence[Sequence[Path]],
    latents: Tensor,
    kept_aside: int,
    rank: int,
    backbone: Backbone,
    generator: Generator,
    work: Path,
) -> VisionStage:
    """The layer fitted on all views' feature shards but for the last `kept_aside` faces; kept in `work`."""
    learnt = slice(0, len(latents) - kept_aside)
    check = slice(learnt.stop, len(latents))

    def fit() -> dict[str, Tensor]:
        features = torch.cat([load_shards(paths, learnt) for paths in views])
        wanted = latents[learnt].repeat(len(views), 1)
        validation = load_shards(views[0], check), latents[check]
        fitted = fit_vision(features, wanted, validation, generator.w_mean.cpu(), rank)
        return {**fitted.mapper.state_dict(), "figures": torch.tensor([fitted.penalty, fitted.cosine])}

    key = [fingerprint(latents), len(views), rank, kept_aside, backbone.weights, generator.weights]
    tensors = kept(stage_file(work, "vision", key), fit)
    penalty, cosine = tensors.pop("figures").tolist()
    rank, features = tensors["down.weight"].shape
    mapper = VisionMapper(features, rank, generator.w_dim)
    mapper.load_state_dict(tensors)
    with torch.no_grad():
        seen = load_shards(views[0], check).float()
        error = (mapper(seen, 1)[:, 0] - latents[check]).norm(dim=1).mean()
    return VisionStage(mapper, penalty, cosine, round(float(error), 4))


def offset_cosine(predicted: Tensor, truth: Tensor, w_mean: Tensor) -> float:
    """Mean cosine of latent offsets from w_mean, [N, w_dim] each."""
    return float(F.cosine_similarity(predicted.detach() - w_mean, truth - w_mean).mean())


def fit_vision(
    features: Tensor,
    latents: Tensor,
    validation: tuple[Tensor, Tensor],
    w_mean: Tensor,
    rank: int,
    penalties: tuple[float, ...] = (0.1, 0.3, 1.0, 2.0, 4.0),
) -> VisionFit:
    """features [N, d] (any float type), latents [N, w_dim] -> VisionMapper of that rank.

    Solved in the dual (N x N), since there are fewer faces than features, a few columns at a time: both views of all
    faces in float32 would not fit a laptop's memory. `penalties` are relative to the mean squared feature vector; the
    one with the best cosine on `validation` (features, latents) is kept.
    """
    scale = _Standardiser(features, latents)
    y_mean = latents.mean(0)
    gram, check_gram = scale.gram(features), scale.gram(validation[0], features)
    best: tuple[float, float, Tensor] | None = None
    for penalty in penalties:
        dual = kernel_ridge(gram, latents - y_mean, penalty)
        cosine = offset_cosine(check_gram @ dual + y_mean, validation[1], w_mean)
        if best is None or cosine > best[0]:
            best = (cosine, penalty, dual)
    assert best is not None
    cosine, penalty, dual = best
    # Reduced rank: keep the output directions in which the predictions vary most.
    basis = main_directions(gram @ dual, rank)
    down = scale.weights(features, dual @ basis)
    mapper = VisionMapper(features.shape[1], basis.shape[1], latents.shape[1])
    with torch.no_grad():
        mapper.down.weight.copy_(down)
        mapper.up.weight.copy_(basis)
        mapper.up.bias.copy_(y_mean - basis @ (down @ scale.mean))
    return VisionFit(mapper, penalty, cosine)


class _Standardiser:
    """Features [N, d] of any float type, centred and of one scale, never more than some columns at a time.

    A feature's scale is its own scatter, and grows with what it alone tells of w (its mean R2 over the outputs): under
    one ridge penalty that is a prior by which what is noise to w counts for less.
    """

    def __init__(self, features: Tensor, latents: Tensor) -> None:
        self._columns = torch.arange(features.shape[1]).split(COLUMNS)
        wanted = (latents - latents.mean(0)) / (latents.std(0) + 1e-6) / len(latents)
        means, deviations, told = [], [], []
        for columns in self._columns:
            part = features[:, columns].float()
            means.append(part.mean(0))
            deviations.append(part.std(0) + 1e-2)
            told.append((((part - means[-1]) / deviations[-1]).T @ wanted).square().mean(1))
        share = torch.cat(told)
        self.mean = torch.cat(means)
        # The floor is what chance gives.
        self.deviation = torch.cat(deviations) / (share.clamp(min=1 / len(latents)) / share.mean()) ** RELEVANCE

    def gram(self, rows: Tensor, others: Tensor | None = None) -> Tensor:
        """Inner products of standardised features: rows [M, d] with others [N, d], or among themselves."""
        if others is None:
            return self._own_gram(rows)
        total = torch.zeros(len(rows), len(others))
        for columns in self._columns:
            total.addmm_(self._standard(rows, columns), self._standard(others, columns).T)
        return total

    def _own_gram(self, rows: Tensor) -> Tensor:
        """Of rows among themselves: what lies below the diagonal is calculated, the rest is its mirror image."""
        total = torch.zeros(len(rows), len(rows))
        blocks = [(start, min(start + ROWS, len(rows))) for start in range(0, len(rows), ROWS)]
        for columns in self._columns:
            part = self._standard(rows, columns)
            for start, stop in blocks:
                total[start:stop, :stop] += part[start:stop] @ part[:stop].T
        for start, stop in blocks:
            total[:start, start:stop] = total[start:stop, :start].T
        return total

    def weights(self, rows: Tensor, dual: Tensor) -> Tensor:
        """dual [N, r] -> the primal weights [r, d] for features as they are."""
        parts = [(dual.T @ self._standard(rows, columns)) / self.deviation[columns] for columns in self._columns]
        return torch.cat(parts, dim=1)

    def _standard(self, rows: Tensor, columns: Tensor) -> Tensor:
        return (rows[:, columns].float() - self.mean[columns]) / self.deviation[columns]
