"""Small data sets of every kind, as files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from fdvd.datasets.packed import BLOCK_FOLDER, FORMAT, MANIFEST, SETTINGS, block_name, zip_bytes
from fdvd.media.video import VideoInfo, VideoWriter


def picture(value: int, side: int) -> np.ndarray:
    """A plain picture whose grey value tells which clip it is."""
    return np.full((side, side, 3), value, np.uint8)


def jpeg(value: int, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(value, side)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def packed(root: Path, clips: int, block: int = 4) -> Path:
    """A packed data set: clip i is grey 10 * i, its latent is i."""
    (root / BLOCK_FOLDER).mkdir(parents=True)
    (root / SETTINGS).write_text(json.dumps({"format": FORMAT}))
    lines = []
    for start in range(0, clips, block):
        members = {}
        for i in range(start, min(start + block, clips)):
            name, latent = f"clip-{i}", io.BytesIO()
            np.save(latent, np.full((3, 512), i, np.float32))
            members |= {f"{name}/hr.jpg": jpeg(10 * i, 32), f"{name}/latent.npy": latent.getvalue()}
            members |= {f"{name}/lr-{k}.jpg": jpeg(10 * i, 8) for k in range(3)}
            row = {
                "id": name,
                "split": "heldout" if i % 5 == 4 else "train",
                "captions": [f"Clip {i}."],
                "attributes": {"male": float(i % 2)},
                "block": block_name(start // block),
                "hr": [f"{name}/hr.jpg"],
                "lr": [[f"{name}/lr-{k}.jpg" for k in range(3)]],
                "latent": f"{name}/latent.npy",
            }
            lines.append(json.dumps(row))
        (root / BLOCK_FOLDER / f"{block_name(start // block)}.zip").write_bytes(zip_bytes(members))
    (root / MANIFEST).write_text("\n".join(lines) + "\n")
    return root


def videos(root: Path, frames: int = 25) -> Path:
    """An FDVD of one clip whose frames grow brighter: frame t is grey 8 * t."""
    (root / "clips").mkdir(parents=True)
    with VideoWriter(root / "clips" / "a.mp4", VideoInfo.made(64, 64, 25), size=(64, 64), crf=1) as writer:
        for t in range(frames):
            writer.write(picture(8 * t, 64), t)
    row = {"id": "a", "split": "train", "captions": ["A man."], "attributes": {}, "clip": "clips/a.mp4"}
    row |= {"frames": frames, "duration": frames / 25}
    (root / MANIFEST).write_text(json.dumps(row) + "\n")
    return root


def stills(root: Path) -> Path:
    """A folder of two pictures with ten captions each."""
    (root / "images").mkdir(parents=True)
    (root / "text").mkdir()
    for i in range(2):
        Image.fromarray(picture(100 * i, 48)).save(root / "images" / f"{i}.png")
        (root / "text" / f"{i}.txt").write_text("".join(f"Face {i}, caption {k}.\n" for k in range(10)))
    return root
