"""The first guess of w from a few pixels, and how to guess where nobody has fitted a pixel mapper."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.mappers.layers import VisionMapper
from gan_mapping.superres.pixels import enlarge
from gan_mapping.superres.preview import PreviewHead
from vl_backbone.backbones.protocol import Backbone

SAMPLES = 2000
DIRECTIONS = 96
# What a blurred face leaves open of W's own scatter; half of it keeps the answers the same kind of face.
OPEN_SHARE = 0.5


class PixelStart(Protocol):
    """Pixels -> w; `PixelMapper` where one was fitted for the generator."""

    @property
    def preview(self) -> PreviewHead | None:
        """The head that shows a latent at 32 px; None where the full picture has to serve."""
        ...

    def __call__(self, pixels: Tensor) -> Tensor:
        """pixels [B, 3, s, s] in 0..255 -> w [B, w_dim]."""
        ...

    def open_directions(self, side: int) -> Tensor:
        """[w_dim, q]: times standard normal numbers, a guess at what pixels of that size leave open."""
        ...


class VisionStart:
    """The editor's vision mapper on the enlarged pixels. It was fitted on sharp faces, so the guess is rough."""

    preview = None

    def __init__(self, backbone: Backbone, vision: VisionMapper, generator: Generator) -> None:
        self.backbone = backbone
        self.vision = vision
        self.generator = generator
        self._open: Tensor | None = None

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """See `PixelStart`."""
        frames = enlarge(pixels, self.backbone.image_size)
        ws: Tensor = self.vision(self.backbone.encode_video(frames[:, None]).still(), 1)
        return ws[:, 0]

    @torch.no_grad()
    def open_directions(self, side: int) -> Tensor:
        """The main axes of W, as long as half the scatter along them; the same for every size."""
        if self._open is None:
            z = torch.randn(SAMPLES, self.generator.z_dim, generator=torch.Generator().manual_seed(0))
            w = self.generator.mapping(z.to(self.generator.w_mean.device))[:, 0]
            _, sizes, axes = torch.linalg.svd(w - w.mean(0), full_matrices=False)
            self._open = OPEN_SHARE * (axes.T * sizes / (SAMPLES - 1) ** 0.5)[:, :DIRECTIONS]
        return self._open
