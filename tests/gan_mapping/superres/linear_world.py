"""A resolver on the stand-in generator, which is linear in w: it takes milliseconds."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from gan_mapping.superres.resolver import ResolverConfig, SuperResolver
from tests.standin import NUM_WS, StandinGenerator

W_DIM, RESOLUTION = 24, 64


def linear_generator() -> StandinGenerator:
    """More and fainter patterns than elsewhere: what a few pixels leave open."""
    return StandinGenerator(RESOLUTION, W_DIM, contrast=0.08)


class GreyStart:
    """Guesses the mean face, whatever the pixels. Has the PixelStart protocol."""

    preview = None

    def __call__(self, pixels: Tensor) -> Tensor:
        return torch.zeros(1, W_DIM)

    def open_directions(self, side: int) -> Tensor:
        return 0.5 * torch.eye(W_DIM)


def linear_resolver(config: ResolverConfig | None = None) -> SuperResolver:
    """One attribute, which makes a corner of the picture darker."""
    generator = linear_generator()
    generator.patterns[0] = 0
    generator.patterns[0, :, 2:4, 2:6] = -0.8
    offset = OffsetMapper(1, NUM_WS, W_DIM)
    offset.directions[0, :, 0] = 1.0
    offset.probe_weight[0, 0] = 1.0
    mappers = Mappers(VisionMapper(4, 2, W_DIM), TextMapper(4, 1), offset, ("glasses",), "none", "linear", {})
    return SuperResolver(generator, GreyStart(), mappers, config)
