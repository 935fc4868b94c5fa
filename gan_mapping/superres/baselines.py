"""What super-resolution is measured against, in the same generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels
from gan_mapping.superres.pixels import box_filter, consistency, render_to_pixels, to_level

Shown = tuple[Tensor, Tensor]
"""A latent [1, num_ws, w_dim] and its render [1, 3, R, R] in 0..255."""


def nearest_latent(pixels: Tensor, bank: Tensor, latents: Tensor, generator: Generator, candidates: int = 4) -> Shown:
    """The face of a bank nearest to the pixels.

    pixels [1, 3, s, s] in 0..255; bank [N, 3, 16, 16] in 0..255; latents [N, w_dim]. The bank's pictures may be
    previews, so the nearest candidates are drawn, and the nearest drawing is taken.
    """
    distances = (bank - to_level(pixels, 16)).abs().flatten(1).mean(1)
    nearest = distances.topk(min(candidates, len(bank)), largest=False).indices
    shown = []
    for latent in latents[nearest]:
        ws = latent.expand(1, generator.num_ws, -1).contiguous()
        shown.append((ws, render_to_pixels(generator.render(ws))))
    return min(shown, key=lambda one: consistency(one[1], pixels))


class SphereSearch:
    """PULSE's idea (Menon 2020): gradient descent of the box-filtered error over z on its sphere.

    pixels [1, 3, s, s] in 0..255. Each step is a full render with its gradient. The original adds noise inputs and
    a geodesic term over layers; this generator's noise is fixed and its rows share one w. `errors`: mean absolute
    error (0..255) of every step; `ws` [1, num_ws, w_dim] is the best so far. `state` and `load` let a long search
    be interrupted.
    """

    def __init__(self, pixels: Tensor, generator: Generator, seed: int = 0, learning_rate: float = 0.2) -> None:
        self.pixels = pixels
        self.generator = generator
        self.errors: list[float] = []
        self.ws: Tensor | None = None
        start = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(seed))
        self._z = start.to(pixels.device).requires_grad_()
        self._optimiser = torch.optim.Adam([self._z], lr=learning_rate)

    def run(self, steps: int) -> None:
        """That many further steps."""
        generator = self.generator
        for _ in range(steps):
            unit = self._z / self._z.norm() * generator.z_dim**0.5
            ws = generator.mapping(unit, truncation_psi=0.75)
            difference = box_filter(to_levels(generator.synthesis(ws)), self.pixels.shape[-1]) - self.pixels
            error = float(difference.detach().abs().mean())
            if self.ws is None or error < min(self.errors):
                self.ws = ws.detach()
            self.errors.append(error)
            self._optimiser.zero_grad()
            (difference / 255).square().mean().backward()
            self._optimiser.step()

    def state(self) -> dict[str, Any]:
        """Tensors and plain numbers from which `load` goes on."""
        optimiser = self._optimiser.state_dict()
        return {"z": self._z.detach(), "optimiser": optimiser, "errors": self.errors, "ws": self.ws}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""
        with torch.no_grad():
            self._z.copy_(state["z"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.errors, self.ws = list(state["errors"]), state["ws"]
