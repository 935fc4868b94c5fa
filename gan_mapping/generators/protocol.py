"""The seam behind which every face generator sits: MobileStyleGAN now, StyleGAN2 with the `paper` preset."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor

from vl_backbone.common.errors import InputError


@runtime_checkable
class Generator(Protocol):
    """A style-based generator.

    name: what `load_generator` knows it by.
    z_dim, w_dim, num_ws, resolution: sizes; a w+ latent is [B, num_ws, w_dim].
    w_mean: [w_dim] mean of the mapping network's output.
    weights: sha256 of every weight file in use, by name.
    exact_drafts: whether `draft` gives what `render` gives.
    preview_sides: sides in px at which `preview` draws; empty where it cannot.
    """

    name: str
    z_dim: int
    w_dim: int
    num_ws: int
    resolution: int
    w_mean: Tensor
    weights: dict[str, str]
    exact_drafts: bool
    preview_sides: tuple[int, ...]

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

    def preview(self, ws: Tensor, side: int) -> Tensor:
        """ws: [B, num_ws, w_dim] -> [B, 3, side, side] in about [-1, 1], much cheaper than `synthesis`; differentiable.

        side: one of `preview_sides`; InputError for another one.
        """
        ...


def check_preview_side(generator: Generator, side: int) -> None:
    """InputError unless the generator draws previews of that side."""
    if side not in generator.preview_sides:
        known = ", ".join(map(str, generator.preview_sides)) or "none"
        raise InputError(f"{generator.name} draws no preview of {side} px; sides: {known}.")


def small_picture(generator: Generator, ws: Tensor, side: int) -> Tensor:
    """ws -> [B, 3, side, side] in about [-1, 1], by the cheapest differentiable way: a preview, or the whole, scaled.

    Where the generator is smaller than that, its own side.
    """
    if side in generator.preview_sides:
        return generator.preview(ws, side)
    image = generator.synthesis(ws)
    return F.avg_pool2d(image, max(1, image.shape[-1] // side))
