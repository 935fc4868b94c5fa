"""Small real video files for tests, written with PyAV directly (not through the code under test)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def card(width: int, height: int, number: int = 0) -> Picture:
    """Four flat quarters (red, green / blue, grey) and a white bar that moves right with `number`."""
    rgb = np.zeros((height, width, 3), dtype=np.uint8)
    rgb[: height // 2, : width // 2] = (200, 30, 30)
    rgb[: height // 2, width // 2 :] = (30, 180, 40)
    rgb[height // 2 :, : width // 2] = (20, 40, 190)
    rgb[height // 2 :, width // 2 :] = (128, 128, 128)
    start = 4 + 4 * number % max(4, width - 12)
    rgb[height // 2 - 4 : height // 2 + 4, start : start + 8] = 255
    return rgb


def tone(samples: int, rate: int) -> NDArray[np.float32]:
    """[2, samples] of a 440 Hz tone."""
    wave = np.sin(2 * np.pi * 440 * np.arange(samples) / rate).astype(np.float32) * 0.3
    return np.stack([wave, wave])


def write_video(
    path: Path,
    pictures: Sequence[Picture],
    *,
    rate: int | Fraction = 25,
    times: Sequence[Fraction] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    audio: str | None = None,
    audio_rate: int = 48_000,
    rotation: float | None = None,
    hflip: bool = False,
    full_range: bool = False,
    matrix: str = "ITU709",
    aspect: Fraction | None = None,
    start: int = 0,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Pictures -> a file of the suffix's format. times: seconds of each picture (irregular is
    fine). start: seconds on the file's clock at which pictures and sound begin."""
    height, width = pictures[0].shape[:2]
    base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(rate), width=width, height=height, time_base=base)
        stream.options = options if options is not None else {"crf": "4", "preset": "ultrafast"}
        context = stream.codec_context
        context.thread_count = 1
        context.pix_fmt = "yuv420p"
        context.color_range = 2 if full_range else 1
        context.colorspace = {"ITU709": 1, "ITU601": 6}[matrix]
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=hflip)
        sound = container.add_stream(audio, rate=audio_rate, layout="stereo") if audio else None
        for number, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=matrix, src_color_range="JPEG",
                dst_color_range="JPEG" if full_range else "MPEG",
            )  # fmt: skip
            frame.time_base = base
            frame.pts = round(start / base) + (number if times is None else round(times[number] / base))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            seconds = float(times[-1]) if times is not None else len(pictures) / float(rate)
            samples = tone(int(seconds * audio_rate), audio_rate)
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = audio_rate, start * audio_rate, Fraction(1, audio_rate)
            container.mux(sound.encode(block))
            container.mux(sound.encode(None))
    return path


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """(time, bytes) of every audio packet."""
    with av.open(str(path)) as container:
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(audio=0) if p.size and p.pts is not None]
