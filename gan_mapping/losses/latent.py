"""Losses in the latent space. Distances are shares of w's own variance: 1 is as far as a random face from w_mean."""

from __future__ import annotations

from torch import Tensor


def latent_distance(ws: Tensor, target: Tensor, variance: Tensor) -> Tensor:
    """Mean squared distance of the rows of ws [B, num_ws, w_dim] from w [B, w_dim] or [w_dim] -> [B].

    variance: scalar, the mean of |w - w_mean|^2 over random faces. With target w_mean: how unusual the faces are.
    """
    return (ws - target.unsqueeze(-2)).square().sum(2).mean(1) / variance


def offset_norm(offset: Tensor, variance: Tensor) -> Tensor:
    """Mean squared length of the rows of a w+ offset [B, num_ws, w_dim] -> [B]."""
    return offset.square().sum(2).mean(1) / variance
