"""What the tests of clips share: a finder that pretends, a tone, and what a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from fdvd.faces.detection import DetectedFace
from fdvd.media.video import read_frames


class Finder:
    """Sees one face in every frame but the first five; counts what it is asked."""

    def __init__(self, faces: bool = True) -> None:
        self.faces = faces
        self.asked = 0

    def detect(self, rgb: np.ndarray) -> list[DetectedFace]:
        self.asked += 1
        if not self.faces or self.asked <= 5:
            return []
        points = np.array([[70.0, 50.0], [90.0, 50.0], [80.0, 60.0], [72.0, 70.0], [88.0, 70.0]])
        return [DetectedFace(np.array([60.0, 30.0, 100.0, 80.0]), 0.99, points)]


def sound(path: Path, seconds: float) -> Path:
    """An M4A file with a tone."""
    wave = np.sin(np.arange(round(seconds * 48_000)) / 20).astype(np.float32)[None]
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(next(s for s in container.streams if s.type == kind)) if p.size]


def times(path: Path) -> list[float]:
    return [frame.time for frame in read_frames(path)]


def recorded(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    rotation: float | None = None,
    times: Sequence[Fraction] | None = None,
    codec: str = "libx264",
) -> Path:
    """A clip as cameras and phones leave it. rotation: degrees in its metadata; times: seconds of every picture."""
    height, width = pictures[0].shape[:2]
    form = "yuv444p" if codec == "ffv1" else "yuv420p"
    with av.open(str(path), "w", options={"movflags": "+faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(codec, rate=25, width=width, height=height, time_base=Fraction(1, 1000))
        stream.codec_context.pix_fmt = form
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=form)
            frame.time_base = Fraction(1, 1000)
            frame.pts = 40 * number if times is None else round(1000 * times[number])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
