"""What the tests of the command line and the web page share: a launcher, bad files, an editor that pretends."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from gan_mapping.editing.closed_loop import EditOffset
from gan_mapping.editing.results import GeneratedFace
from gan_mapping.images import to_uint8
from gan_mapping.mappers.files import Mappers
from vl_backbone.common.errors import InputError

VILAFACE = Path(sys.executable).with_name("vilaface")
SIDE = 64

Launch = Callable[..., "subprocess.CompletedProcess[str]"]


def run_vilaface(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command in that folder; text output is captured."""
    return subprocess.run(
        [str(VILAFACE), *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def json_rows(stdout: str) -> list[dict[str, Any]]:
    """Every line of standard output is one strict JSON object."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in stdout.splitlines()]


def huge_png(side: int = 30_000) -> bytes:
    """A small file that claims to be side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9000))
        + chunk(b"IEND", b"")
    )


class FakeOffset:
    """One direction for every attribute: brighter."""

    def __call__(self, ws: Tensor, intents: Tensor) -> Tensor:
        return intents.sum(dim=1)[:, None, None].expand_as(ws).clone()

    def along(self, weights: Tensor) -> Tensor:
        return weights.sum().expand(2, 4).clone()


class FakeMappers:
    """Every sentence means "smile"; one that speaks of the weather means nothing."""

    attributes = ("smile", "age", "look_left", "look_right")
    offset = FakeOffset()
    named = Mappers.named


class FakeEditor:
    """Has the methods of FaceEditor that sessions and pages use; its latent is one grey level of the face."""

    refine_steps = 3
    preset = "mini"
    device = "cpu"
    mappers = FakeMappers()

    def __init__(self, faces: int = 1) -> None:
        self.faces = faces
        self.inversions = 0
        self.detections = 0
        self.weights = {"fake": "0" * 64}
        self.generator = SimpleNamespace(render=lambda ws: ws[:, :1, :1, None].expand(-1, 3, SIDE, SIDE).clamp(-1, 1))

    def find_faces(self, image: np.ndarray, face: str | int = "largest", aligned: bool = False) -> Any:
        self.detections += 1
        if not self.faces:
            raise InputError("No face was found. Use another photo, or pass --aligned.")
        frames = [(i, FaceFrame.from_aligned(image, SIDE)) for i in range(self.faces)]
        return frames if face == "all" else frames[:1]

    def invert(self, crop: np.ndarray, steps: int = 0, timer: Any = None, progress: Any = None) -> Tensor:
        self.inversions += 1
        for step in range(steps):
            if progress:
                progress(step + 1, steps)
        return torch.zeros(1, 2, 4)

    def read(self, text: str) -> Tensor:
        return torch.zeros(1, 4) if "weather" in text else torch.tensor([[0.5, 0.0, 0.0, 0.0]])

    def aim(self, ws: Tensor, intents: Tensor, drawn: np.ndarray | None = None) -> tuple[EditOffset, np.ndarray]:
        offset = self.mappers.offset(ws, intents)
        return EditOffset(offset, torch.zeros_like(offset), -1), self.draw(ws + offset)

    def draw(self, ws: Tensor) -> np.ndarray:
        return to_uint8(self.generator.render(ws))[0]

    def describe_identity(self, crops: list[np.ndarray]) -> Tensor:
        return torch.tensor([[float(crop.mean()) / 255] for crop in crops])

    def generate(self, text: str, n: int, seed: int) -> list[GeneratedFace]:
        return [
            GeneratedFace(np.full((SIDE, SIDE, 3), s % 256, np.uint8), torch.zeros(2, 4), s)
            for s in range(seed, seed + n)
        ]
