"""RAVDESS-like clips of generated faces: 1280x720, sound, a face that drifts and sways before a plain wall."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fdvd.faces.alignment import FaceFrame
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_uint8

SIZE = (1280, 720)
WALL = 225
RATE = Fraction(30000, 1001)


def face_of_seed(generator: Generator, seed: int) -> NDArray[np.uint8]:
    """The labelled face of that seed, uint8 [1024, 1024, 3]."""
    z = np.random.default_rng(seed).standard_normal(generator.z_dim).astype(np.float32)
    with torch.no_grad():
        return to_uint8(generator.render(generator.mapping(torch.from_numpy(z)[None], truncation_psi=0.75)))[0]


def true_quad(number: int) -> NDArray[np.float64]:
    """Where the face's picture lies in frame `number`: a square of 520 px that drifts and sways."""
    angle = math.radians(4 * math.sin(number / 7))
    side = np.array([math.cos(angle), math.sin(angle)]) * 260
    down = np.array([-side[1], side[0]])
    centre = np.array([600 + 1.5 * number, 360 + 6 * math.sin(number / 5)])
    return np.stack([centre - side - down, centre - side + down, centre + side + down, centre + side - down])


def frame_with(face: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """uint8 [720, 1280, 3]."""
    frame = FaceFrame(true_quad(number), SIZE)
    # A soft border, so that the pasted square itself is no feature.
    ramp = np.clip(np.minimum(np.arange(1024), np.arange(1024)[::-1]) / 60, 0, 1)
    alpha = (ramp[:, None] * ramp)[..., None]
    values = np.concatenate([(face / 255.0 - WALL / 255) * alpha], axis=2).astype(np.float32)
    patch = frame.warp_back(values)
    picture = np.full((SIZE[1], SIZE[0], 3), WALL / 255, dtype=np.float32)
    height, width = patch.values.shape[:2]
    picture[patch.y0 : patch.y0 + height, patch.x0 : patch.x0 + width] += patch.values
    return (picture * 255).round().clip(0, 255).astype(np.uint8)


def write_talk(path: Path, face: NDArray[np.uint8], frames: int) -> Path:
    """An H.264 clip with a tone in AAC at RAVDESS's rates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, width=SIZE[0], height=SIZE[1], options={"crf": "14"})
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(frames):
            frame = av.VideoFrame.from_image(Image.fromarray(frame_with(face, number)))
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode(None))
        wave = np.sin(np.arange(int(frames / RATE * 48_000)) / 20).astype(np.float32)[None] * 0.2
        block = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        block.sample_rate = 48_000
        container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path
