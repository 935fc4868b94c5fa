"""The hybrid Transformer: divided space-time attention (Bertasius et al. 2021) over the frames' grids, without [CLS].

Tokens are laid out [B, T, N, D] (clips, frames, grid cells row by row, channels).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYER_NORM_EPS = 1e-6
DROP_PATH = 0.1
MLP_RATIO = 4


class Attention(nn.Module):
    """Multi-head self-attention with one joint projection for queries, keys and values."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, asking: slice = slice(None)) -> Tensor:
        """x: [B, M, D]; only the positions in `asking` are computed -> [B, m, D]."""
        dim = x.shape[-1]
        if asking == slice(None):
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        else:
            weight, bias = self.qkv.weight, self.qkv.bias
            q = F.linear(x[:, asking], weight[:dim], bias[:dim])
            k, v = F.linear(x, weight[dim:], bias[dim:]).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        y: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return y


class Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, MLP_RATIO * dim)
        self.fc2 = nn.Linear(MLP_RATIO * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """Attention over time, then over the frame's cells, then the MLP, each as a residual."""

    def __init__(self, dim: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.temporal_norm1 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.temporal_attn = Attention(dim, heads)
        self.temporal_fc = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, frames: slice = slice(None)) -> Tensor:
        """x: [B, T, N, D] -> [B, t, N, D], the frames in `frames` only."""
        b, _, n, _ = x.shape
        over_time = self.temporal_norm1(x).transpose(1, 2).flatten(0, 1)
        over_time = self._drop(self.temporal_attn(over_time, frames).unflatten(0, (b, n)).transpose(1, 2), (b, 1, n, 1))
        x = x[:, frames] + self.temporal_fc(over_time)
        t = x.shape[1]
        over_space = self.attn(self.norm1(x).flatten(0, 1)).unflatten(0, (b, t))
        x = x + self._drop(over_space, (b, t, 1, 1))
        return x + self._drop(self.mlp(self.norm2(x)), (b, 1, 1, 1))

    def _drop(self, residual: Tensor, rows: tuple[int, ...]) -> Tensor:
        """Stochastic depth (Huang et al. 2016): in training, whole rows of the residual vanish at random."""
        if not self.training or self.drop_path == 0.0:
            return residual
        kept = torch.rand(rows, device=residual.device) >= self.drop_path
        return residual * (kept / (1.0 - self.drop_path)).to(residual.dtype)


class TimeSformer(nn.Module):
    """Position and time embeddings, then the blocks. `norm` is in the official checkpoints but never applied."""

    def __init__(self, dim: int, heads: int, depth: int, grid: tuple[int, int], frames: int) -> None:
        super().__init__()
        self.grid = grid
        self.pos_embed = nn.Parameter(torch.empty(1, grid[0] * grid[1], dim))
        self.time_embed = nn.Parameter(torch.zeros(1, frames, dim))
        rates = [DROP_PATH * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks = nn.ModuleList([Block(dim, heads, rate) for rate in rates])
        self.norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for block in self.blocks:
            # A fresh model attends within each frame only; time comes in as training moves these weights.
            nn.init.zeros_(block.get_submodule("temporal_fc").get_parameter("weight"))

    def forward(self, x: Tensor, frame: int | None = None) -> Tensor:
        """x: [B, T, h, w, D] -> [B, T, h, w, D], or [B, h, w, D] of one frame, which costs less."""
        size = x.shape[2:4]
        x = x.flatten(2, 3) + self._positions(size)[:, None] + self._times(x.shape[1])[:, :, None]
        for i, block in enumerate(self.blocks):
            last = frame is not None and i == len(self.blocks) - 1
            x = block(x, slice(frame, frame + 1)) if last and frame is not None else block(x)
        x = x.unflatten(2, size)
        return x if frame is None else x[:, 0]

    def _positions(self, size: tuple[int, ...]) -> Tensor:
        """[1, h * w, D]; bilinear when the grid is not the learned one."""
        if tuple(size) == self.grid:
            return self.pos_embed
        table = self.pos_embed.transpose(1, 2).unflatten(2, self.grid)
        return F.interpolate(table, size=tuple(size), mode="bilinear").flatten(2).transpose(1, 2)

    def _times(self, frames: int) -> Tensor:
        """[1, T, D]; linear when the frame count is not the learned one."""
        if frames == self.time_embed.shape[1]:
            return self.time_embed
        return F.interpolate(self.time_embed.transpose(1, 2), size=frames, mode="linear").transpose(1, 2)
