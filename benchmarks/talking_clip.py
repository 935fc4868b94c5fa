"""A talking head made from generated faces, with sound: a test clip of which everything is known.

Every shot shows another face that talks, turns its head and sways; a hand-held camera adds tremor and noise.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.pasting import paste_mask
from fdvd.media.video import VideoInfo, VideoWriter
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.images import to_uint8

SIZE = (1280, 720)
RATE = Fraction(25)
NOISE = 1.5  # levels, the camera's
_SOUND_RATE = 48_000


@dataclass(frozen=True, eq=False)
class Truth:
    """One frame of the clip: uint8 [720, 1280, 3], the face's true quad [4, 2], and the number of its shot."""

    rgb: NDArray[np.uint8]
    quad: NDArray[np.float64]
    shot: int


def talking_frames(model: FaceModel, seeds: list[int], frames: int) -> Iterator[Truth]:
    """The frames, one shot of equal length per seed."""
    rng = np.random.default_rng(0)
    names = list(model.mappers.attributes)
    directions = model.mappers.offset.directions
    teeth, smile, left, right = (directions[names.index(n)] for n in ("teeth", "smile", "look_left", "look_right"))
    for shot, seed in enumerate(seeds):
        base = model.sample(seed, 0.7)[0]
        room = _room(to_uint8(model.generator.render(base[None]))[0])
        start, stop = shot * frames // len(seeds), (shot + 1) * frames // len(seeds)
        for i in range(start, stop):
            t = i / float(RATE)
            speech = max(0.0, math.sin(2 * math.pi * 3.1 * t)) * (0.6 + 0.4 * math.sin(2 * math.pi * 0.9 * t + 1))
            turn = 0.35 * math.sin(2 * math.pi * 0.23 * t + shot)
            ws = base + 0.45 * speech * teeth + 0.25 * math.sin(2 * math.pi * 0.31 * t) * smile + turn * (right - left)
            face = to_uint8(model.generator.render(ws[None]))[0]
            quad = _quad(t, shot, rng)
            rgb = _placed(face, quad, room).astype(np.float32) + NOISE * rng.standard_normal((*room.shape[:2], 1))
            yield Truth(rgb.round().clip(0, 255).astype(np.uint8), quad, shot)


def write_clip(path: Path, model: FaceModel, seeds: list[int], seconds: float) -> list[Truth]:
    """Writes the clip with a sound track and gives back its truths, whose pixels are left out."""
    frames = round(seconds * float(RATE))
    sound = path.with_suffix(".sound.m4a")
    sound.write_bytes(_speech_like(seconds))
    info = replace(VideoInfo.made(*SIZE, RATE), path=sound, audio=("aac",))
    truths = []
    with VideoWriter(path, info, crf=14) as writer:
        for truth in talking_frames(model, seeds, frames):
            writer.write(truth.rgb)
            truths.append(replace(truth, rgb=truth.rgb[:0]))
    sound.unlink()
    return truths


def _room(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A blurred backdrop in the face's own colours."""
    width, height = SIZE
    wide = Image.fromarray(face).resize((width, width)).crop((0, 0, width, height))
    return np.asarray(wide.filter(ImageFilter.GaussianBlur(60)))


def _quad(t: float, shot: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the face is at time t: a sway, a slow zoom and roll, and the tremor of a hand."""
    x = 640 + (-90 if shot % 2 else 90) + 70 * math.sin(2 * math.pi * 0.21 * t + shot)
    y = 370 + 22 * math.sin(2 * math.pi * 0.37 * t)
    x, y = np.array([x, y]) + 0.4 * rng.standard_normal(2)
    half = 300 * (1 + 0.05 * math.sin(2 * math.pi * 0.11 * t))
    roll = math.radians(4 * math.sin(2 * math.pi * 0.27 * t))
    right, down = half * np.array([math.cos(roll), math.sin(roll)]), half * np.array([-math.sin(roll), math.cos(roll)])
    centre = np.array([x, y])
    return np.stack([centre - right - down, centre - right + down, centre + right + down, centre + right - down])


def _placed(face: NDArray[np.uint8], quad: NDArray[np.float64], room: NDArray[np.uint8]) -> NDArray[np.uint8]:
    frame = FaceFrame(quad, SIZE, face.shape[0])
    mask = paste_mask(face.shape[0])[0].permute(1, 2, 0)
    layer = torch.cat([torch.from_numpy(face.copy()).float() * mask, mask], dim=2).numpy()
    x0, y0, values = frame.warp_back(layer)
    picture = room.astype(np.float32)
    region = picture[y0 : y0 + values.shape[0], x0 : x0 + values.shape[1]]
    region[...] = region * (1 - values[..., 3:]) + values[..., :3]
    return picture.round().clip(0, 255).astype(np.uint8)


def _speech_like(seconds: float) -> bytes:
    """An M4A file of a hum with the rhythm of speech."""
    t = np.arange(round(seconds * _SOUND_RATE)) / _SOUND_RATE
    loud = np.clip(np.sin(2 * np.pi * 3.1 * t), 0, None) * 0.25
    wave = loud * sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 8))
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = _SOUND_RATE
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
