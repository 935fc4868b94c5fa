"""A small video-text set of real video files: coloured shapes that move, and what they do in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (40, 60, 230),
    "yellow": (230, 220, 40),
    "white": (240, 240, 240),
    "purple": (150, 40, 170),
}
SHAPES = ("square", "disc")
MOVES = {"left": (-1, 0), "right": (1, 0)}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("a", "the", "moves", "to", "what", "colour", "is", "which", "shape", "where", "does", "it", "go", "?", "that")


@dataclass(frozen=True)
class Video:
    """One file and what is to be seen in it."""

    path: Path
    colour: str
    shape: str
    move: str

    @property
    def caption(self) -> str:
        return f"a {self.colour} {self.shape} moves to the {self.move}"


@dataclass(frozen=True)
class MovingShapes:
    """folder holds the videos and vocab.txt, a BERT vocabulary of all words of the set."""

    folder: Path
    videos: tuple[Video, ...]

    @property
    def vocabulary(self) -> Path:
        return self.folder / "vocab.txt"


def make_moving_shapes(folder: Path, frames: int = 14, side: int = 64) -> MovingShapes:
    """Every colour, shape and direction: 24 H.264 files of `frames` frames at 6 frames a second."""
    videos = []
    for number, (colour, shape, move) in enumerate(product(COLOURS, SHAPES, MOVES)):
        path = folder / f"video{number}.mp4"
        write_video(path, [draw(colour, shape, move, i / (frames - 1), side) for i in range(frames)], fps=6)
        videos.append(Video(path, colour, shape, move))
    vocabulary = (*SPECIAL, *WORDS, *COLOURS, *SHAPES, *MOVES)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return MovingShapes(folder, tuple(videos))


def draw(colour: str, shape: str, move: str, progress: float, side: int) -> np.ndarray:
    """RGB uint8 [side, side, 3]; progress from 0 to 1 along the way."""
    picture = np.full((side, side, 3), 40, np.uint8)
    way = side * 0.5 * (progress - 0.5)
    x, y = side / 2 + MOVES[move][0] * way, side / 2 + MOVES[move][1] * way
    rows, columns = np.mgrid[:side, :side] + 0.5
    radius = side * 0.22
    if shape == "disc":
        inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    else:
        inside = (abs(columns - x) < radius) & (abs(rows - y) < radius)
    picture[inside] = COLOURS[colour]
    return picture


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    fps: int | Fraction = 10,
    codec: str = "libx264",
    milliseconds: Sequence[int] | None = None,
) -> None:
    """Encodes RGB pictures; milliseconds: when each one is shown, for a variable frame rate."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "4", "g": "8"}
        stream.bit_rate = 8_000_000
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if milliseconds is not None:
                frame.pts, frame.time_base = milliseconds[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
