"""Faces made of three numbers, for aiming at: how they look follows from the offset by a rule."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_mapping.editing.closed_loop import Observation
from gan_mapping.mappers.layers import OffsetMapper

NUM_WS, W_DIM = 3, 4


def three_axes() -> OffsetMapper:
    """Attribute a moves axis a by 1; the third one is relative (older)."""
    mapper = OffsetMapper(3, NUM_WS, W_DIM)
    for a in range(3):
        mapper.directions[a, :, a] = 1.0
    mapper.relative[2] = 1.0
    return mapper


class Face:
    """Scores move by `answers` per unit of step; looks are counted."""

    def __init__(self, start: tuple[float, ...], answers: tuple[float, ...]) -> None:
        self.before = torch.tensor(start)
        self.answers = torch.tensor(answers)
        self.looks = 0
        self.breaks_at = 100.0

    def __call__(self, offset: Tensor) -> Observation:
        """The latent residual is 1, and more where the picture falls apart."""
        self.looks += 1
        apart = 10.0 * float(bool((offset.abs() > self.breaks_at).any()))
        return Observation(self.after(offset), torch.tensor(1.0 + apart))

    def after(self, offset: Tensor) -> Tensor:
        return self.before + self.answers * offset[0, 0, :3]
