"""Makes small Multi-Modal CelebA-HQ folders."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from fdvd.language.captions.facts import CELEBA_ATTRIBUTES

SENTENCES = [f"She has brown hair and sentence number {n}." for n in range(10)]


def write_picture(path: Path, side: int = 512, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tiles = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(tiles).resize((side, side), Image.Resampling.NEAREST).save(path)
    return path


def write_captions(path: Path, lines: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(SENTENCES[:lines]) + "\n")
    return path


def attribute_text(ids: list[str], suffix: str = ".jpg") -> str:
    rows = [
        f"{key}{suffix} " + " ".join("1" if (n + i) % 3 == 0 else "-1" for i in range(40)) for n, key in enumerate(ids)
    ]
    return "\n".join([str(len(ids)), " ".join(CELEBA_ATTRIBUTES), *rows]) + "\n"


def write_folder(root: Path, count: int = 4, side: int = 512) -> Path:
    """A whole folder: `count` faces, the last one in the test list."""
    ids = [str(n) for n in range(count)]
    for number, key in enumerate(ids):
        write_picture(root / "images" / f"{key}.jpg", side, number)
        write_captions(root / "text" / f"{key}.txt")
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text(attribute_text(ids))
    for split, members in (("train", ids[:-1]), ("test", ids[-1:])):
        (root / split).mkdir()
        (root / split / f"filenames_{split}.pickle").write_bytes(pickle.dumps(members))
    return root
