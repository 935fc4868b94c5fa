"""Refinement: optimize w+ from the mapper's start against the aligned photo, staying close to W.

The gradient need not come from the whole drawing. Steps are taken on the generator's preview (`Generator.preview`)
where it has one; every few steps the true picture is drawn once, and what the preview lacks there is added to it from
then on, so that the steps lead to where the true picture fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.editing.photo_loss import PhotoLoss, PhotoLossWeights, photo_loss
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_batch
from gan_mapping.losses.reconstruction import row_spread
from gan_mapping.perception.networks import IdentityNetwork, PerceptualNetwork
from vl_backbone.common.errors import InputError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RefinementConfig:
    """Weights of the terms and the optimizer's pace.

    size: pictures are compared at this side, in pixels.
    learning_rate: Adam's, on the latent along the main axes of W; falls to a tenth along a cosine.
    loss: shares of the terms that compare pictures.
    spread: pull of the rows towards one another; larger keeps the latent more editable.
    start: pull towards the mapper's own answer.
    true_every: steps after which the true picture is drawn again, where steps are taken on a preview.
    patience, least_gain: it ends early when that many steps lowered the loss by less than this share of it.
    """

    size: int = 256
    learning_rate: float = 0.04
    loss: PhotoLossWeights = field(default_factory=PhotoLossWeights)
    spread: float = 0.004
    start: float = 0.0005
    true_every: int = 9
    patience: int = 6
    least_gain: float = 0.01

    def __post_init__(self) -> None:
        if self.size < 64 or self.learning_rate <= 0:
            raise InputError("Refinement needs a size of 64 px or more and a positive learning rate.")
        if min(self.loss.perceptual, self.loss.pixel, self.loss.identity, self.spread, self.start) < 0:
            raise InputError("Refinement weights must not be negative.")
        if min(self.true_every, self.patience) < 1 or self.least_gain < 0:
            raise InputError("Refinement needs counts of steps of at least 1, and a least gain of 0 or more.")


class Refiner:
    """Holds the frozen networks that judge a reconstruction; `refine` is one optimization."""

    def __init__(
        self,
        generator: Generator,
        perceptual: PerceptualNetwork,
        identity: IdentityNetwork,
        device: torch.device,
        config: RefinementConfig | None = None,
    ) -> None:
        self.generator = generator
        self.perceptual = perceptual
        self.identity = identity
        self.device = device
        self.config = config or RefinementConfig()
        self._loss: PhotoLoss | None = None
        self._axes: Tensor | None = None
        self._blind: Refiner | None = None

    def without_identity(self) -> Refiner:
        """The same with the face network left out of the loss, so that it can judge; made once."""
        if self._blind is None:
            config = replace(self.config, loss=replace(self.config.loss, identity=0.0))
            self._blind = Refiner(self.generator, self.perceptual, self.identity, self.device, config)
        return self._blind

    def refine(self, ws: Tensor, crop: np.ndarray, steps: int, progress: Progress | None = None) -> Tensor:
        """ws [1, num_ws, w_dim], crop uint8 [R, R, 3] aligned photo -> better ws, after at most `steps` steps.

        progress: called as (step, steps) after each; the last call has step == steps, also where it ended early.
        """
        config = self.config
        if self._loss is None:
            # Compiled at the first use: edits without refinement do not wait for it.
            self._loss = photo_loss(self.generator, self.perceptual, self.identity, config.loss, config.size)
            self._axes = main_axes(self.generator)
        loss, axes = self._loss, self._axes
        assert axes is not None
        loss.set_photo(_area_scaled(to_batch([crop], None, self.device), loss.side))
        start = ws.detach()
        # The shared part moves all rows together (inside W); the rows then learn what W cannot say. Both along W's main
        # axes, scaled by how far faces differ along them, so that a step is as large as it is likely.
        shared = torch.zeros_like(start[:, :1]).requires_grad_()
        rows = torch.zeros_like(start).requires_grad_()
        optimizer = torch.optim.Adam([shared, rows], lr=config.learning_rate, betas=(0.8, 0.95))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, config.learning_rate / 10)
        losses: list[float] = []
        for step in range(steps):
            latent = start + (shared + rows) @ axes.T
            if loss.corrected and step % config.true_every == 0:
                loss.set_correction(self._true_picture(latent.detach(), loss.side) - loss(latent).picture)
            found = loss(latent)
            pull = config.spread * row_spread(latent) + config.start * (latent - start).square().sum(2).mean(1)
            optimizer.zero_grad()
            torch.autograd.backward([latent, pull.sum()], [found.gradient, None])
            optimizer.step()
            schedule.step()
            losses.append(found.loss)
            if progress is not None:
                progress(step + 1, steps)
            if self._stalled(losses):
                if progress is not None and step + 1 < steps:
                    progress(steps, steps)
                break
        return (start + (shared + rows) @ axes.T).detach()

    def _stalled(self, losses: list[float]) -> bool:
        patience = self.config.patience
        if len(losses) <= 2 * patience:
            return False
        return min(losses[-patience:]) >= (1 - self.config.least_gain) * min(losses[:-patience])

    def _true_picture(self, ws: Tensor, side: int) -> Tensor:
        """[1, 3, side, side] in about [-1, 1], on the refiner's device."""
        return _area_scaled(self.generator.draft(ws).to(self.device), side)


@torch.no_grad()
def main_axes(generator: Generator, samples: int = 2000) -> Tensor:
    """W's main axes, each scaled by the square root of W's standard deviation along it: [w_dim, w_dim] (axis last).

    On average over the axes a unit step moves w by one, as without them. The identity for a generator of classes.
    """
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((samples, generator.z_dim)).astype(np.float32))
    if getattr(generator, "c_dim", 0):
        return torch.eye(generator.w_dim, device=generator.w_mean.device)
    w = generator.mapping(z.to(generator.w_mean.device))[:, 0]
    variances, axes = torch.linalg.eigh(torch.cov(w.T))
    scaled = axes * variances.clamp(min=1e-6).pow(0.25)
    unit: Tensor = scaled / (scaled.square().sum() / generator.w_dim).sqrt()
    return unit


def _area_scaled(pictures: Tensor, side: int) -> Tensor:
    """[B, 3, S, S] -> [B, 3, side, side], the means of whole blocks where S is a multiple of side."""
    return F.interpolate(pictures, size=(side, side), mode="area") if pictures.shape[-1] != side else pictures
