"""Tuning edit directions on pictures: gradients from a picture classifier through the generator to the w+ offset.

The closed-form directions and their layer gains know only what linear probes and a few trial renders say. Here
each direction is followed through the real renderer: the wished attribute must arrive, at every strength in
proportion, while the other readings and the colours of the background stay where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels
from gan_mapping.mappers.layers import AttributeReader, OffsetMapper
from gan_mapping.training.closed_form.attributes import COLOUR_PATCHES, may_follow, recolors_skin
from gan_mapping.training.closed_form.calibration import layer_groups
from gan_mapping.training.through_generator.drawing import scaled
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.checks import require_counts
from vl_backbone.common.errors import UsageError


@dataclass(frozen=True)
class TuningConfig:
    """steps: Adam steps per attribute, each on `faces` faces. learning_rate: relative to the direction's length.

    hold, colour, stay: weights of the other readings, of the patch colours, and of the distance from the start.
    """

    steps: int = 30
    faces: int = 2
    learning_rate: float = 0.05
    hold: float = 1.0
    colour: float = 0.2
    stay: float = 0.05

    def __post_init__(self) -> None:
        require_counts(self, ("steps", "faces"))
        if not self.learning_rate > 0:
            raise UsageError(f"learning_rate must be above 0, got {self.learning_rate}.")


@dataclass(frozen=True)
class PictureReader:
    """Differentiable readings of drawn faces: attribute scores (0 "no", 1 "yes" on average) and patch colours.

    reader: the picture classifier on the backbone's grid.
    """

    generator: Generator
    backbone: Backbone
    reader: AttributeReader

    def __call__(self, ws: Tensor) -> tuple[Tensor, Tensor]:
        """ws [B, num_ws, w_dim] -> scores [B, A], mean colours [B, patches, 3] in units of 32 grey levels."""
        picture = to_levels(self.generator.synthesis(ws).clamp(-1, 1))
        small = scaled(picture, self.backbone.image_size).clamp(0, 255)
        scores = self.reader(self.backbone.encode_video(small[:, None]).still())
        k = picture.shape[-1] / 512
        patches = [
            picture[:, :, int(t * k) : int(b * k), int(x * k) : int(y * k)].mean((2, 3))
            for t, b, x, y in COLOUR_PATCHES.values()
        ]
        return scores, torch.stack(patches, dim=1) / 32


def tune_direction(
    offset: OffsetMapper,
    attributes: Sequence[str],
    name: str,
    latents: Tensor,
    read: PictureReader,
    config: TuningConfig,
    rng: np.random.Generator,
    report: Callable[[int, float], None] | None = None,
) -> Tensor:
    """One attribute's direction, tuned on faces drawn from `latents` [N, w_dim] -> [num_ws, w_dim].

    `offset` is not changed. A face is taken only if the wish would move it. Rows of one layer group stay equal,
    as the closed form made them: the generator was taught with one shared w. A direction of length 0 (calibration
    saw no effect) or one that every face has gone already stays as it is: there is nothing to learn from.
    """
    a = list(attributes).index(name)
    start = offset.directions[a]
    size = start.norm(dim=1).max()
    undone = _undone(offset, latents, a)
    if size == 0 or not len(undone):
        return start.clone()
    groups = [torch.tensor(rows, dtype=torch.long) for rows in layer_groups(offset.directions.shape[1])]
    where = torch.empty(offset.directions.shape[1], dtype=torch.long)
    for g, rows in enumerate(groups):
        where[rows] = g
    axes = _plausible_axes(latents) * size
    change = torch.zeros(len(groups), len(axes), requires_grad=True)
    optimiser = torch.optim.Adam([change], lr=config.learning_rate)
    held = torch.tensor([other not in may_follow(name) for other in attributes])
    patches = torch.tensor([p != "cheeks" or not recolors_skin(name) for p in COLOUR_PATCHES])
    intents = torch.zeros(1, len(attributes))
    intents[0, a] = 1.0

    for step in range(config.steps):
        rows = undone[torch.from_numpy(rng.permutation(len(undone))[: config.faces])]
        ws = latents[rows][:, None].expand(-1, offset.directions.shape[1], -1)
        length = offset.steps(ws, intents.expand(len(ws), -1))[:, a]
        # Half of the faces at full strength, the others in between: the slider must do something all the way.
        strength = torch.from_numpy(rng.choice([1.0, 1.0, 0.5, 0.75], len(ws)).astype(np.float32))
        with torch.no_grad():
            before, colours = read(ws)
        direction = start + (change @ axes)[where]
        after, new_colours = read(ws + (strength * length)[:, None, None] * direction)
        goal = before[:, a] + strength * (offset.high[a] - before[:, a]).clamp(min=0.25)
        loss = (
            4 * F.relu(goal - after[:, a]).square().mean()
            + config.hold * F.huber_loss(after[:, held], before[:, held], delta=0.5) * held.sum() / 4
            + config.colour * (new_colours - colours)[:, patches].square().mean()
            + config.stay * (change @ axes).square().sum() / size.square()
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if report is not None:
            report(step, float(loss.detach()))
    moved: Tensor = (start + (change @ axes)[where]).detach()
    return moved


def _plausible_axes(latents: Tensor, count: int = 128) -> Tensor:
    """The main axes of w, [count, w_dim], as long as w varies along them (the longest has length 1/4).

    Adam moves all coordinates alike; along these axes that is a step that faces make, not noise.
    """
    x = latents - latents.mean(0)
    values, vectors = torch.linalg.eigh(x.T @ x)
    values, vectors = values[-count:], vectors[:, -count:]
    axes: Tensor = (vectors * (values / values[-1]).clamp(min=0).sqrt() / 4).T
    return axes


def _undone(offset: OffsetMapper, latents: Tensor, a: int) -> Tensor:
    """Rows of the faces that do not have the attribute yet, by the latent's own score."""
    scores = latents @ offset.probe_weight[a] + offset.probe_bias[a]
    return torch.nonzero(scores < 0.5)[:, 0]
