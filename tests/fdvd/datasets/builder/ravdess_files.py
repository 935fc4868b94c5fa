"""A RAVDESS folder in small: real video files with its names, and a detector and a judge for drawn faces.

The drawn face is a skin-coloured disc with two dark eyes and a mouth; its hair colour says which actor it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fdvd.datasets.builder import BuildSettings, Tools
from fdvd.faces.detection import DetectedFace
from fdvd.media.video import VideoInfo, VideoWriter

SIZE = (160, 120)
SKIN = (230, 180, 150)
SETTINGS = BuildSettings(size=96, readings=3)
NAMES = [
    f"01-01-{emotion:02d}-01-01-{repetition:02d}-{actor:02d}"
    for actor in (1, 2, 22)
    for emotion in (3, 4)
    for repetition in (1, 2)
]


def drawn_face(x: float, y: float, radius: float, smiles: bool, dark_hair: bool) -> Image.Image:
    """A frame of SIZE with a face around (x, y)."""
    frame = Image.new("RGB", SIZE, (40, 70, 120))
    draw = ImageDraw.Draw(frame)
    hair = (30, 25, 20) if dark_hair else (220, 190, 90)
    draw.ellipse([x - radius, y - 1.3 * radius, x + radius, y + 0.4 * radius], hair)
    draw.ellipse([x - radius * 0.9, y - 0.8 * radius, x + radius * 0.9, y + radius], SKIN)
    for side in (-0.4, 0.4):
        draw.ellipse([x + (side - 0.1) * radius, y - 0.25 * radius, x + (side + 0.1) * radius, y - 0.05 * radius], 0)
    mouth = [x - 0.35 * radius, y + 0.35 * radius, x + 0.35 * radius, y + 0.65 * radius]
    draw.rectangle(mouth, (250, 250, 250) if smiles else (150, 40, 50))
    return frame


def frames_of(name: str, count: int = 14) -> Iterator[NDArray[np.uint8]]:
    """The face drifts to the right; a happy one starts to smile half way."""
    actor, happy = int(name[-2:]), name[6:8] == "03"
    for n in range(count):
        smiles = happy and n >= count // 2
        yield np.asarray(drawn_face(60 + n, 60 + (n % 3) / 3, 24, smiles, actor % 2 == 1))


def write_clip(path: Path, frames: Iterator[NDArray[np.uint8]]) -> Path:
    with VideoWriter(path, VideoInfo.made(*SIZE, Fraction(30000, 1001)), preset="ultrafast", crf=4) as writer:
        for rgb in frames:
            writer.write(rgb)
    return path


def write_ravdess(root: Path, names: list[str] = NAMES) -> Path:
    for name in names:
        write_clip(root / f"Actor_{name[-2:]}" / f"{name}.mp4", frames_of(name))
    return root


class DiscFinder:
    """Finds the drawn face by the colour of its skin."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        rows, columns = np.nonzero(np.abs(rgb.astype(int) - SKIN).max(axis=2) < 24)
        if len(rows) < 100:
            return []
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        x, radius = (x0 + x1) / 2, (x1 - x0) / 1.8
        y = y1 - radius
        points = [(-0.4, -0.15), (0.4, -0.15), (0, 0.2), (-0.35, 0.5), (0.35, 0.5)]
        landmarks = np.array([(x + a * radius, y + b * radius) for a, b in points])
        return [DetectedFace(np.array([x0, y0, x1, y1], dtype=np.float64), 0.99, landmarks)]


def read_drawn(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Hair and mouth of aligned drawn faces."""
    side = faces.shape[1]
    mouth = faces[:, int(0.62 * side) : int(0.68 * side), int(0.47 * side) : int(0.53 * side)].mean(axis=(1, 2, 3))
    hair = faces[:, int(0.12 * side) : int(0.18 * side), int(0.47 * side) : int(0.53 * side)].mean(axis=(1, 2, 3))
    dark = (hair < 90).astype(np.float64)
    constant = np.full(len(faces), 0.05)
    readings = {"smile": 0.02 + 0.96 * (mouth > 170), "black_hair": 0.05 + 0.9 * dark, "blond_hair": 0.95 - 0.9 * dark}
    return readings | {name: constant for name in ("glasses", "sunglasses", "hat", "frown", "look_left", "look_right")}


def drawn_tools() -> Tools:
    return Tools(DiscFinder(), read_drawn, "drawn faces")
