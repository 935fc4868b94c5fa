"""The editor of the batch tests: the stand-in, with random layers for super-resolution."""

from __future__ import annotations

import torch

from gan_mapping import FaceEditor
from gan_mapping.superres.mapper import LevelMapper, PixelMapper
from gan_mapping.superres.pixels import LEVELS
from gan_mapping.superres.preview import PreviewHead
from tests.standin import W_DIM, standin_editor


def batch_editor() -> FaceEditor:
    """The same editor each time; it finds no faces, so rows of the task edit must be aligned."""
    torch.manual_seed(7)
    levels = {level: LevelMapper(level, 4, W_DIM, 3) for level in LEVELS}
    return standin_editor(faces=0, pixel_mapper=PixelMapper(levels, PreviewHead()).requires_grad_(False))
