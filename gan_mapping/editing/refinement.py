"""Refinement: optimise w+ from the mapper's start against the aligned photo, staying close to W."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_batch, to_levels
from gan_mapping.losses.reconstruction import (
    identity_distance,
    perceptual_distance,
    pixel_distance,
    row_spread,
)
from gan_mapping.perception.networks import IdentityNetwork, PerceptualNetwork
from vl_backbone.common.errors import InputError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RefinementConfig:
    """Weights of the terms and the optimiser's pace.

    size: pictures are compared at this side, in pixels.
    learning_rate: Adam's, on the latent; falls to a tenth along a cosine.
    identity: 0 leaves the face network out (then it may serve as an independent judge).
    spread: pull of the rows towards one another; larger keeps the latent more editable.
    start: pull towards the mapper's own answer.
    """

    size: int = 256
    learning_rate: float = 0.04
    perceptual: float = 1.0
    pixel: float = 6.0
    identity: float = 1.5
    spread: float = 0.004
    start: float = 0.0005

    def __post_init__(self) -> None:
        if self.size < 64 or self.learning_rate <= 0:
            raise InputError("Refinement needs a size of 64 px or more and a positive learning rate.")
        if min(self.perceptual, self.pixel, self.identity, self.spread, self.start) < 0:
            raise InputError("Refinement weights must not be negative.")


class Refiner:
    """Holds the frozen networks that judge a reconstruction; `refine` is one optimisation."""

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

    def refine(self, ws: Tensor, crop: np.ndarray, steps: int, progress: Progress | None = None) -> Tensor:
        """ws [1, num_ws, w_dim], crop uint8 [R, R, 3] aligned photo -> better ws; progress(step, steps) each step."""
        config = self.config
        size = config.size
        # A small generator is compared at its own size.
        side = min(2 * size, self.generator.resolution)
        photo = to_batch([crop], side, self.device)
        small = _halved(photo, size)
        with torch.no_grad():
            wanted = self.perceptual.features(small)
            who = self.identity.describe(photo)
        start = ws.detach()
        # The shared part moves all rows together (inside W); the rows then learn what W cannot say.
        shared = torch.zeros_like(start[:, :1]).requires_grad_()
        rows = torch.zeros_like(start).requires_grad_()
        optimiser = torch.optim.Adam([shared], lr=config.learning_rate, betas=(0.8, 0.95))
        optimiser.add_param_group({"params": [rows], "lr": config.learning_rate / 2})
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, config.learning_rate / 10)
        for step in range(steps):
            latent = start + shared + rows
            image = self.generator.synthesis(latent)
            image = to_levels(F.avg_pool2d(image, image.shape[-1] // side))
            near = _halved(image, size)
            loss = config.perceptual * perceptual_distance(self.perceptual.features(near), wanted)
            loss = loss + config.pixel * pixel_distance(near, small)
            if config.identity:
                loss = loss + config.identity * identity_distance(self.identity.describe(image), who)
            loss = loss + config.spread * row_spread(latent)
            loss = loss + config.start * (latent - start).square().sum(2).mean(1)
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, steps)
        return (start + shared + rows).detach()


def _halved(pictures: Tensor, size: int) -> Tensor:
    """[B, 3, S, S] -> half the side where that is not below `size`."""
    return F.avg_pool2d(pictures, 2) if pictures.shape[-1] >= 2 * size else pictures
