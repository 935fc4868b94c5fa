"""StyleGAN2 behind the Generator protocol: checks, truncation, device."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_mapping.generators.protocol import check_preview_side
from gan_mapping.generators.stylegan2.network import NOISE_MODES, StyleGAN2
from vl_backbone.common.errors import InputError

SMALLEST_PREVIEW = 64


class StyleGAN2Generator:
    """A StyleGAN2-ADA generator of any size.

    c_dim: number of classes, 0 for an unconditional one. On a GPU, `render` runs the network's last blocks in
    half precision where it was trained so; `synthesis` with gradients is float32 everywhere.
    notes: sentences for the user about what its file did not hold.
    """

    exact_drafts = True

    def __init__(
        self,
        network: StyleGAN2,
        name: str,
        weights: dict[str, str],
        device: torch.device,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.notes = notes
        self.network = network.eval().to(device)
        self.name = name
        self.weights = weights
        self.device = device
        self.z_dim = network.config.z_dim
        self.c_dim = network.config.c_dim
        self.w_dim = network.config.w_dim
        self.num_ws = network.config.num_ws
        self.resolution = network.config.resolution
        self.w_mean: Tensor = self.network.mapping.w_avg
        self.preview_sides = tuple(side for side in self.network.synthesis.resolutions[:-1] if side >= SMALLEST_PREVIEW)

    def mapping(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """z: [B, z_dim], c: [B, c_dim] one-hot labels of a conditional network -> ws [B, num_ws, w_dim].

        truncation_psi pulls the first truncation_cutoff rows (all by default) towards w_mean.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise InputError(f"z must be [B, {self.z_dim}], got {list(z.shape)}.")
        if self.c_dim and (c is None or c.shape != (len(z), self.c_dim)):
            shape = "none" if c is None else list(c.shape)
            raise InputError(f"{self.name} is conditional: labels c must be [B, {self.c_dim}], got {shape}.")
        if not self.c_dim and c is not None and c.numel():
            raise InputError(f"{self.name} has no class labels; call mapping without c.")
        labels = c.to(self.device, torch.float32) if c is not None and self.c_dim else None
        w = self.network.mapping(z.to(self.device, torch.float32), labels)
        ws: Tensor = w[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi != 1:
            rows = slice(None, truncation_cutoff)
            ws[:, rows] = self.w_mean + truncation_psi * (ws[:, rows] - self.w_mean)
        return ws

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        """ws: [B, num_ws, w_dim] -> [B, 3, R, R] float32 RGB in about [-1, 1]; differentiable once.

        noise_mode: "const" (the network's own maps), "none", or "random" (from torch's global generator).
        """
        self._check(ws)
        if noise_mode not in NOISE_MODES:
            raise InputError(f"noise_mode must be one of {', '.join(NOISE_MODES)}, got {noise_mode!r}.")
        image: Tensor = self.network.synthesis(ws.to(self.device), noise_mode)
        return image

    @torch.no_grad()
    def render(self, ws: Tensor) -> Tensor:
        """Like `synthesis` but without gradients; on a CPU one picture after the other, to keep memory small."""
        if self.device.type == "cpu" and len(ws) > 1:
            return torch.cat([self.synthesis(row) for row in ws.split(1)])
        return self.synthesis(ws)

    def preview(self, ws: Tensor, side: int) -> Tensor:
        """ws: [B, num_ws, w_dim] -> [B, 3, side, side] in about [-1, 1], as the skip connections have it by then."""
        self._check(ws)
        check_preview_side(self, side)
        image: Tensor = self.network.synthesis(ws.to(self.device), side=side)
        return image

    def draft(self, ws: Tensor) -> Tensor:
        """The same: there is no faster way."""
        return self.render(ws)

    def _check(self, ws: Tensor) -> None:
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise InputError(f"w+ must be [B, {self.num_ws}, {self.w_dim}], got {list(ws.shape)}.")
