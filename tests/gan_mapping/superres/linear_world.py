"""A generator that is linear in w, and a resolver on it that takes milliseconds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from gan_mapping.superres.resolver import ResolverConfig, SuperResolver

W_DIM, NUM_WS, RESOLUTION = 24, 3, 64


class LinearGenerator:
    """w+ -> a smooth picture around grey. Has the Generator protocol."""

    name = "linear"
    z_dim = w_dim = W_DIM
    exact_drafts = True
    num_ws = NUM_WS
    resolution = RESOLUTION

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(5)
        self.w_mean = torch.zeros(W_DIM)
        self.weights = {"linear": "0" * 64}
        self.patterns = 0.08 * torch.randn(W_DIM, 3, 8, 8, generator=rng)

    def mapping(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> Tensor:
        return (truncation_psi * z)[:, None].expand(-1, NUM_WS, -1).contiguous()

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        small = torch.einsum("bw,wchx->bchx", ws.mean(1), self.patterns)
        return F.interpolate(small, size=RESOLUTION, mode="bilinear")

    @torch.no_grad()
    def render(self, ws: Tensor) -> Tensor:
        return self.synthesis(ws)

    draft = render


class GreyStart:
    """Guesses the mean face, whatever the pixels. Has the PixelStart protocol."""

    preview = None

    def __call__(self, pixels: Tensor) -> Tensor:
        return torch.zeros(1, W_DIM)

    def open_directions(self, side: int) -> Tensor:
        return 0.5 * torch.eye(W_DIM)


def linear_resolver(config: ResolverConfig | None = None) -> SuperResolver:
    """One attribute, which makes a corner of the picture darker."""
    generator = LinearGenerator()
    generator.patterns[0] = 0
    generator.patterns[0, :, 2:4, 2:6] = -0.8
    offset = OffsetMapper(1, NUM_WS, W_DIM)
    offset.directions[0, :, 0] = 1.0
    offset.probe_weight[0, 0] = 1.0
    mappers = Mappers(VisionMapper(4, 2, W_DIM), TextMapper(4, 1), offset, ("glasses",), "none", "linear", {})
    return SuperResolver(generator, GreyStart(), mappers, config)
