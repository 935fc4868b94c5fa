"""Ridge regression: primal, dual and in portions are one and the same; rank reduction keeps the main answers."""

from __future__ import annotations

import torch

from gan_mapping.training.ridge import Gram, damped, kernel_ridge, main_directions, ridge


def _rows(n: int, inputs: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    x = torch.randn(n, inputs, generator=random, dtype=torch.float64)
    return x, torch.randn(n, outputs, generator=random, dtype=torch.float64)


def test_a_ridge_is_least_squares_with_extra_rows() -> None:
    x, y = _rows(40, 6, 3)
    extra = (0.2 * (x.T @ x).diagonal().mean()).sqrt() * torch.eye(6, dtype=torch.float64)
    wanted = torch.linalg.lstsq(torch.cat([x, extra]), torch.cat([y, torch.zeros(6, 3, dtype=torch.float64)])).solution
    assert torch.allclose(ridge(x.T @ x, x.T @ y, 0.2), wanted)


def test_the_dual_gives_the_primal_weights_and_leaves_the_gram_matrix_as_it_was() -> None:
    x, y = _rows(12, 30, 2)
    gram = x @ x.T
    before = gram.clone()
    # The penalties are parts of two different means: of one trace over 12 rows and over 30 features.
    weights = x.T @ kernel_ridge(gram, y, 0.5)
    assert torch.allclose(weights, ridge(x.T @ x, x.T @ y, 0.5 * 30 / 12))
    assert torch.equal(gram, before)


def test_rows_in_portions_are_rows_at_once() -> None:
    x, y = (part.float() for part in _rows(50, 5, 2))
    gram = Gram(5, 2)
    for rows in torch.arange(50).split(7):
        gram.add(x[rows], y[rows])
    assert torch.allclose(gram.solve(0.1), ridge(x.T @ x, x.T @ y, 0.1), atol=1e-5)


def test_damping_adds_to_a_copy() -> None:
    second = torch.diag(torch.tensor([1.0, 3.0]))
    assert torch.equal(damped(second, 0.5), torch.diag(torch.tensor([2.0, 4.0])))
    assert second[0, 0] == 1


def test_main_directions_hold_what_varies_most() -> None:
    answers = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 5.0, 1.0])
    basis = main_directions(answers, 2)
    assert basis.shape == (3, 2) and torch.allclose(basis.T @ basis, torch.eye(2), atol=1e-5)
    assert (basis[0].abs() < 0.05).all()
    assert main_directions(answers, 9).shape == (3, 3)
