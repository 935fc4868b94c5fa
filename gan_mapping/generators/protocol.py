"""The seam behind which every face generator sits: MobileStyleGAN now, StyleGAN2 with the `paper` preset."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Generator(Protocol):
    """A style-based generator.

    name: what `load_generator` knows it by.
    z_dim, w_dim, num_ws, resolution: sizes; a w+ latent is [B, num_ws, w_dim].
    w_mean: [w_dim] mean of the mapping network's output.
    weights: sha256 of every weight file in use, by name.
    exact_drafts: whether `draft` gives what `render` gives.
    """

    name: str
    z_dim: int
    w_dim: int
    num_ws: int
    resolution: int
    w_mean: Tensor
    weights: dict[str, str]
    exact_drafts: bool

    def mapping(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """z: [B, z_dim] standard normal -> ws [B, num_ws, w_dim], truncated towards w_mean by psi."""
        ...

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        """ws: [B, num_ws, w_dim] -> [B, 3, R, R] float32 RGB in about [-1, 1]; differentiable."""
        ...

    def render(self, ws: Tensor) -> Tensor:
        """Like `synthesis`, without gradients, by the fastest engine on this machine."""
        ...

    def draft(self, ws: Tensor) -> Tensor:
        """Like `render`, but for looking at only: where that is faster, smaller and off by a grey level or two."""
        ...
