"""The identity of a face in a shot: one latent that stands still, around which expression and pose move.

Drawing every frame from its own latent makes hair, skin and age swim, because the vision mapper's answer wavers
from frame to frame. So a face has one *anchor* per shot, and a frame adds only how far the mapper's answer,
filtered over time, has moved from the mapper's answer for the anchor (the residual).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.refinement import Progress

_ROUNDS = 50
_CONVERGED = 1e-4


@dataclass(frozen=True, eq=False)
class Pivot:
    """ws: [1, num_ws, w_dim], the face itself; w: [w_dim], what the vision mapper says of that same face."""

    ws: Tensor
    w: Tensor

    def latent(self, w: Tensor) -> Tensor:
        """The latent of a frame, [1, num_ws, w_dim], from the mapper's (filtered) answer w [w_dim] for it."""
        return self.ws + (w - self.w)

    def to(self, device: torch.device) -> Pivot:
        """The same on that device."""
        return Pivot(self.ws.to(device), self.w.to(device))


def geometric_median(points: Tensor) -> Tensor:
    """[N, D] -> the point [D] with the least sum of distances to all: a mean that outliers cannot drag.

    Weiszfeld's iteration, with distances kept off zero so that it cannot stick to a sample.
    """
    if points.ndim != 2 or not len(points):
        raise ValueError(f"expected at least one point as [N, D], got {list(points.shape)}")
    middle = points.mean(dim=0)
    scale = float((points - middle).norm(dim=1).mean())
    if scale == 0:
        return middle
    for _ in range(_ROUNDS):
        weights = 1 / (points - middle).norm(dim=1).clamp(min=1e-3 * scale)
        moved = (weights[:, None] * points).sum(dim=0) / weights.sum()
        done = float((moved - middle).norm()) < _CONVERGED * scale
        middle = moved
        if done:
            break
    return middle


def sample_times(scores: np.ndarray, most: int) -> list[int]:
    """Positions, evenly spread over a run, at which its face is sampled: at most `most`, only where it was seen.

    scores: float [n], 0 where the face was not seen.
    """
    seen = np.flatnonzero(scores > 0)
    if not len(seen):
        return []
    chosen = np.linspace(0, len(seen) - 1, min(most, len(seen))).round().astype(int)
    return [int(seen[i]) for i in dict.fromkeys(chosen.tolist())]


def make_anchor(model: FaceModel, crops: list[np.ndarray], steps: int = 0, progress: Progress | None = None) -> Pivot:
    """The anchor of a face from samples of one run.

    crops: aligned uint8 [R, R, 3], at least one; the one nearest to the median of what the mapper says stands for all.
    steps: its refinement (0: none).
    """
    samples = torch.cat([model.encode([crop])[:, 0] for crop in crops])
    nearest = int((samples - geometric_median(samples)).norm(dim=1).argmin())
    return Pivot(model.invert(crops[nearest], steps, progress=progress), samples[nearest])
