"""A generator whose w is the real one but whose pictures are small and instant."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gan_mapping.generators.registry import MobileStyleGANGenerator


class SmallPictures:
    """Real latents; `render` paints 64 px of colour from w. fail_at: the number of the picture that interrupts."""

    exact_drafts = True
    preview_sides: tuple[int, ...] = ()

    def __init__(self, real: MobileStyleGANGenerator, fail_at: int | None = None) -> None:
        self.real, self.fail_at, self.drawn = real, fail_at, 0
        self.name, self.weights, self.w_mean = real.name, real.weights, real.w_mean
        self.z_dim, self.w_dim, self.num_ws, self.resolution = real.z_dim, real.w_dim, real.num_ws, 64

    def mapping(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> Tensor:
        return self.real.mapping(z, c, truncation_psi, truncation_cutoff)

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        return self.render(ws)

    def render(self, ws: Tensor) -> Tensor:
        self.drawn += len(ws)
        if self.fail_at is not None and self.drawn > self.fail_at:
            raise KeyboardInterrupt
        wave = torch.sin(ws[:, 0, :192]).reshape(-1, 3, 8, 8)
        return wave.repeat_interleave(8, 2).repeat_interleave(8, 3)

    draft = render


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a build by its name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
