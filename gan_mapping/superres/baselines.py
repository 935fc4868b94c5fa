"""What super-resolution is measured against, in the same generator."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.superres.pixels import box_filter, to_level


def nearest_latent(pixels: Tensor, bank: Tensor, latents: Tensor) -> Tensor:
    """The latent [1, w_dim] of the bank's face nearest to the pixels.

    pixels [1, 3, s, s] in 0..255; bank [N, 3, 16, 16] in 0..255; latents [N, w_dim].
    """
    wanted = to_level(pixels, 16)
    distances = (bank - wanted).square().flatten(1).mean(1)
    return latents[distances.argmin()][None]


def search_on_sphere(
    pixels: Tensor, generator: Generator, steps: int = 100, seed: int = 0, learning_rate: float = 0.2
) -> tuple[Tensor, float]:
    """PULSE's idea (Menon 2020): gradient descent of the box-filtered error over z on its sphere.

    pixels [1, 3, s, s] in 0..255 -> (ws [1, num_ws, w_dim], mean absolute error). Each step is a full render with
    its gradient. The original adds noise inputs and a geodesic term over layers; this generator's noise is fixed
    and its rows share one w.
    """
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(1, generator.z_dim, generator=rng).to(pixels.device).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=learning_rate)
    best: tuple[Tensor, float] | None = None
    for _ in range(steps):
        unit = z / z.norm() * generator.z_dim**0.5
        ws = generator.mapping(unit, truncation_psi=0.75)
        difference = box_filter((generator.synthesis(ws) + 1) * 127.5, pixels.shape[-1]) - pixels
        error = float(difference.detach().abs().mean())
        if best is None or error < best[1]:
            best = (ws.detach(), error)
        optimiser.zero_grad()
        (difference / 255).square().mean().backward()
        optimiser.step()
    assert best is not None
    return best
