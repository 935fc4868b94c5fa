"""Tuning one direction through the generator: what it improves, and when there is nothing to tune."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_mapping.mappers.layers import OffsetMapper
from gan_mapping.training.through_generator.tuning import TuningConfig, tune_direction

NAMES = ("smile", "eyeglasses", "bangs")
NUM_WS, W_DIM = 6, 16


@pytest.fixture
def offset() -> OffsetMapper:
    torch.manual_seed(0)
    mapper = OffsetMapper(len(NAMES), NUM_WS, W_DIM)
    mapper.directions.copy_(0.1 * torch.randn(len(NAMES), 1, W_DIM).expand(-1, NUM_WS, -1))
    mapper.probe_weight.copy_(torch.randn(len(NAMES), W_DIM))
    return mapper


@pytest.fixture
def latents() -> Tensor:
    return torch.randn(40, W_DIM, generator=torch.Generator().manual_seed(1))


def linear_reader(offset: OffsetMapper) -> Any:
    """Scores by the mapper's own probes; grey patches."""
    return lambda ws: (offset.scores(ws), torch.zeros(len(ws), 5, 3))


def tune(offset: OffsetMapper, latents: Tensor, steps: int = 2) -> Tensor:
    rng = np.random.default_rng(0)
    return tune_direction(offset, NAMES, "smile", latents, linear_reader(offset), TuningConfig(steps), rng)


def test_a_tuned_direction_raises_its_own_score_more(offset: OffsetMapper, latents: Tensor) -> None:
    before = offset.directions[0].clone()
    after = tune(offset, latents, steps=40)
    assert torch.equal(offset.directions[0], before)
    assert after.mean(0) @ offset.probe_weight[0] > before.mean(0) @ offset.probe_weight[0] + 0.1


def test_a_direction_of_length_zero_stays_zero(offset: OffsetMapper, latents: Tensor) -> None:
    offset.directions[0] = 0
    assert torch.equal(tune(offset, latents), torch.zeros(NUM_WS, W_DIM))


def test_nothing_to_learn_where_every_face_has_it(offset: OffsetMapper, latents: Tensor) -> None:
    offset.probe_bias[0] = 100
    assert torch.equal(tune(offset, latents), offset.directions[0])
