"""A generator of one's own behind the name "stripes". Run: python examples/own_generator.py"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.registry import load_generator, register_generator
from vl_backbone.weights import WeightStore


class Stripes:
    """Draws 64 px stripes whose color is the first three numbers of w; the least that the protocol asks for."""

    name, z_dim, w_dim, num_ws, resolution = "stripes", 8, 8, 2, 64
    exact_drafts, preview_sides = True, ()
    weights: ClassVar[dict[str, str]] = {}
    w_mean = torch.zeros(8)

    def mapping(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> Tensor:
        return (truncation_psi * z)[:, None].repeat(1, self.num_ws, 1)

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        stripes = torch.sin(torch.arange(64) / 4).expand(64, 64)
        return ws.mean(1)[:, :3, None, None].tanh() * stripes

    def render(self, ws: Tensor) -> Tensor:
        return self.synthesis(ws)

    def draft(self, ws: Tensor) -> Tensor:
        return self.synthesis(ws)

    def preview(self, ws: Tensor, side: int) -> Tensor:
        raise NotImplementedError("preview_sides is empty")


def load_stripes(device: torch.device, store: WeightStore) -> Generator:
    """What is registered: a loader of the ready generator."""
    return Stripes()


if __name__ == "__main__":
    register_generator("stripes", load_stripes)
    generator = load_generator("stripes")
    picture = generator.render(generator.mapping(torch.randn(1, generator.z_dim)))
    print(
        f"{generator.name}: drew {list(picture.shape)}, values {float(picture.min()):.2f} to {float(picture.max()):.2f}"
    )
