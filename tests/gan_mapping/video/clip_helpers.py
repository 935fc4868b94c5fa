"""What the tests of video editing share: an editor that draws flat squares, and faces that need no detector."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.detection import DetectedFace
from gan_mapping.editing.closed_loop import EditOffset
from gan_mapping.images import to_uint8
from gan_mapping.video.plan import FrameDetections

WIDTH, HEIGHT, SIDE = 160, 120, 64


class FlatEditor:
    """Stands for FaceEditor: its latent is the mean grey of the crop, its render a flat square of that grey."""

    refine_steps = 0
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.detector = None  # faces are given
        self.weights = {"flat": "0" * 64}
        self.renders = 0
        self.generator = SimpleNamespace(render=self._render, resolution=SIDE, num_ws=2)
        self.mappers = SimpleNamespace(
            attributes=("smile",),
            named=lambda intents: {"smile": float(intents[0, 0])} if intents.any() else {},
        )

    def encode(self, crops: Sequence[np.ndarray]) -> Tensor:
        greys = [float(crop.mean()) / 127.5 - 1 for crop in crops]
        return torch.tensor(greys)[:, None, None].expand(-1, 2, 4).contiguous()

    def invert(self, crop: np.ndarray, steps: int = 0, progress: Any = None) -> Tensor:
        return self.encode([crop])

    def read(self, text: str) -> Tensor:
        return torch.zeros(1, 1) if "weather" in text else torch.full((1, 1), 0.3)

    def draw(self, ws: Tensor) -> np.ndarray:
        return to_uint8(self._render(ws))[0]

    def aim(self, ws: Tensor, intents: Tensor, drawn: np.ndarray | None = None) -> tuple[EditOffset, np.ndarray]:
        offset = intents[:, :, None].expand_as(ws).clone()
        return EditOffset(offset, torch.zeros_like(offset), -1), self.draw(ws + offset)

    def _render(self, ws: Tensor) -> Tensor:
        self.renders += len(ws)
        return ws[:, :1, :1, None].expand(-1, 3, SIDE, SIDE).clamp(-1, 1)


def face_at(x: float, y: float, eyes: float = 16.0, score: float = 0.99) -> DetectedFace:
    """An upright face whose eyes are `eyes` px apart around (x, y)."""
    points = [(-0.5, 0.0), (0.5, 0.0), (0.0, 0.5), (-0.4, 1.0), (0.4, 1.0)]
    landmarks = np.array([x, y]) + eyes * np.array(points)
    box = np.array([x - eyes, y - eyes, x + eyes, y + 1.6 * eyes])
    return DetectedFace(box, score, landmarks)


def seen(*frames: Any, cuts: Sequence[int] = ()) -> list[FrameDetections]:
    """Sightings from lists of faces, one list per frame; cuts: frames with which a new shot starts."""
    return [FrameDetections(i == 0 or i in cuts, tuple(faces)) for i, faces in enumerate(frames)]


def clip(frames: int, seed: int = 0) -> list[np.ndarray]:
    """Noisy grey frames that get lighter, all different."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 40, (frames, HEIGHT, WIDTH, 3))
    return list((noise + 60 + np.arange(frames)[:, None, None, None]).astype(np.uint8))
