"""What the tests of video editing share: faces that need no detector, and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fdvd.faces.detection import DetectedFace
from gan_mapping.video.plan import FrameDetections

WIDTH, HEIGHT = 160, 120


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
