"""The slow baseline: w+ optimised towards a sentence (StyleCLIP section 4, TediGAN), in the same generator.

The similarity is that of `hdvila-mini`, the contrastive video-language backbone this project ships.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels
from gan_mapping.perception.face_network import FaceNetwork
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.errors import UsageError


@dataclass(frozen=True)
class OptimisationConfig:
    """steps of Adam at learning_rate; the latent is handed out every `every` steps, to be judged at several sizes.

    latent: weight of the squared distance from the start, per row. identity: weight of the squared distance in the
    face network. Both as in StyleCLIP, rescaled to a similarity in -1..1 (theirs is divided by 100).
    """

    steps: int = 40
    every: int = 10
    learning_rate: float = 0.02
    latent: float = 0.002
    identity: float = 0.1

    def __post_init__(self) -> None:
        if self.steps < 1 or not 1 <= self.every <= self.steps or self.learning_rate <= 0:
            raise UsageError("Optimisation needs 1 step or more, judged within them, and a positive learning rate.")


@dataclass(frozen=True)
class TextOptimiser:
    """The frozen networks of the optimisation."""

    generator: Generator
    backbone: Backbone
    network: FaceNetwork

    def run(self, ws: Tensor, text: str, config: OptimisationConfig) -> Iterator[tuple[int, Tensor]]:
        """ws [1, num_ws, w_dim] -> (steps done, latent) every `every` steps; the last one is the result."""
        start = ws.detach()
        latent = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([latent], lr=config.learning_rate)
        tokens = self.backbone.tokenize([text])
        wanted = self.backbone.encode_text(tokens.input_ids, tokens.attention_mask).embedding
        who: Tensor | None = None
        for step in range(1, config.steps + 1):
            picture = to_levels(self.generator.synthesis(latent)).clamp(0, 255)
            size = self.backbone.image_size
            seen = F.interpolate(picture, size=size, mode="bilinear", antialias=True, align_corners=False)
            similarity = (self.backbone.encode_video(seen.clamp(0, 255)[:, None]).embedding * wanted).sum()
            vector = self.network.describe(picture)
            who = vector.detach() if who is None else who
            loss = 1 - similarity + config.identity * (vector - who).square().sum()
            loss = loss + config.latent * (latent - start).square().sum(2).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            if step % config.every == 0 or step == config.steps:
                yield step, latent.detach().clone()
