"""Ridge regression in closed form, as all linear layers here are fitted: primal, dual (kernel) and of reduced rank.

Penalties are relative: 1 is the mean of the diagonal of the matrix that is solved with, so that they mean the same for
features of any scale and any number of rows.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Gram:
    """X'X [d, d] and X'Y [d, k] of rows that never are in memory all at once."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.second = torch.zeros(inputs, inputs)
        self.cross = torch.zeros(inputs, outputs)

    def add(self, x: Tensor, y: Tensor) -> None:
        """x [n, d], y [n, k]: some more rows."""
        self.second += x.T @ x
        self.cross += x.T @ y

    def solve(self, penalty: float) -> Tensor:
        """The regression of y on x -> [d, k]."""
        return ridge(self.second, self.cross, penalty)


def damped(second: Tensor, penalty: float) -> Tensor:
    """A symmetric [d, d] with `penalty` times the mean of its diagonal added to the diagonal; a new tensor."""
    return second + penalty * second.diagonal().mean() * torch.eye(len(second), dtype=second.dtype)


def ridge(second: Tensor, cross: Tensor, penalty: float) -> Tensor:
    """second = X'X [d, d] and cross = X'Y [d, k], both of centred rows or both divided by n -> weights [d, k]."""
    weights: Tensor = torch.linalg.solve(damped(second, penalty), cross)
    return weights


def kernel_ridge(gram: Tensor, targets: Tensor, penalty: float) -> Tensor:
    """The dual, for fewer rows than features: gram = XX' [n, n], targets [n, k] -> dual weights [n, k] (X' times it).

    gram is as before when this returns, but is used as scratch meanwhile: a copy of it may not fit into memory.
    """
    own = gram.diagonal().clone()
    gram.diagonal().copy_(own + penalty * float(own.mean()))
    try:
        return torch.cholesky_solve(targets, torch.linalg.cholesky(gram))
    finally:
        gram.diagonal().copy_(own)


def main_directions(answers: Tensor, rank: int) -> Tensor:
    """The output directions along which predictions [n, k] vary most: orthonormal columns [k, min(rank, k)].

    Reduced-rank regression (Izenman 1975) is the full one projected onto them.
    """
    _, vectors = torch.linalg.eigh(answers.T @ answers)
    directions: Tensor = vectors[:, -min(rank, vectors.shape[1]) :]
    return directions
