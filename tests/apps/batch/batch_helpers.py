"""What the tests of batches share: a manifest of mixed rows, launching, and looking at what came out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.paths import ROOT

Batch = Callable[..., Any]
HERE = Path(__file__).parent


def write_manifest(folder: Path, rows: int, photos: int = 10) -> Path:
    """Rows of all kinds over a few small photos; row 7 names a photo that is cut off."""
    rng = np.random.default_rng(0)
    for index in range(photos):
        pixels = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80, 70)).save(folder / f"photo{index}.png")
    (folder / "cut.png").write_bytes((folder / "photo0.png").read_bytes()[:300])
    words = ("blond hair", "a big smile", "an old man with a beard")
    lines: list[dict[str, Any]] = []
    for index in range(rows):
        row: dict[str, Any] = {"text": words[index % 3], "seed": index}
        if index % 3 == 0:
            row |= {"task": "generate", "id": f"made-{index}"}
        else:
            row |= {"task": "edit", "image": f"photo{index % photos}.png", "aligned": True}
        lines.append(row)
    if rows > 6:
        lines[6] = {"task": "edit", "image": "cut.png", "text": "smile", "aligned": True}
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Starts the command with the stand-in editor in a process of its own."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        [sys.executable, str(HERE / "run_tiny.py"), *map(str, arguments)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ledger_rows(out: Path) -> list[dict[str, Any]]:
    """Every line of the ledger; each must be whole."""
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def digests(out: Path) -> dict[str, str]:
    """sha256 of every picture and latent of an output folder, by name."""
    files = (path for path in out.iterdir() if path.suffix in (".png", ".safetensors"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
