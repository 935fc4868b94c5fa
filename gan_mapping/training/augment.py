"""Augmentations that close the gap between clean renders and real photos: the target latent does not change."""

from __future__ import annotations

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def augment_face(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """One random view of a face as a camera, a messenger and a detector might hand it over.

    image: uint8 [512, 512, 3] RGB, FFHQ-aligned -> uint8 [size, size, 3].
    In order: crop jitter, exposure and colour, blur or a trip through a low resolution, noise, JPEG.
    """
    x = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    x = F.interpolate(x, size=size * 5 // 4, mode="bilinear", antialias=True, align_corners=False)
    x = _jitter_crop(x, size, rng)
    x = _shift_colours(x, rng)
    if rng.random() < 0.3:
        x = _soften(x, size, rng)
    if rng.random() < 0.5:
        x = x + torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)) * rng.uniform(1, 10)
    view = x.clamp(0, 255).round().byte()[0].permute(1, 2, 0).numpy()
    return _through_jpeg(view, int(rng.integers(35, 95))) if rng.random() < 0.5 else view


def _jitter_crop(x: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """The detector's imprecision: scale +-5%, shift +-2.5%, rotation +-3 degrees (two sigma)."""
    angle = np.deg2rad(rng.normal(0, 1.5))
    scale = np.exp(rng.normal(0, 0.025))
    shift = rng.normal(0, 0.025, 2)
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    theta = torch.tensor([[[c, -s, shift[0]], [s, c, shift[1]]]], dtype=torch.float32)
    grid = F.affine_grid(theta, [1, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _shift_colours(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Exposure, white balance, gamma, contrast and saturation; 0..255 in, about 0..255 out."""
    gains = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.05, 3)).astype(np.float32)
    x = (x / 255).clamp(0, 1) ** float(np.exp(rng.normal(0, 0.15))) * torch.from_numpy(gains)[:, None, None]
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * float(np.exp(rng.normal(0, 0.2)) if rng.random() > 0.05 else 0.0)
    mean = x.mean()
    return (mean + (x - mean) * float(np.exp(rng.normal(0, 0.12)))) * 255


def _soften(x: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Blur by a trip through a smaller size, as thumbnails and video frames make it."""
    small = int(size * rng.uniform(0.15, 0.6))
    x = F.interpolate(x, size=small, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(x, size=size, mode="bicubic", align_corners=False)


def _through_jpeg(view: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(view).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
