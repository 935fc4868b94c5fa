"""Randomness that depends on nothing but the run's seed and where the run is, so that a resumed run repeats it."""

from __future__ import annotations

import random

import numpy as np
import torch

# First part of every derived seed after the run's own: what it is for.
SAMPLES, ORDER, STEPS = 1, 2, 3


def derived_seed(*parts: int) -> int:
    """A 63-bit seed from whole numbers of 0 or more, such as (run seed, SAMPLES, epoch, sample)."""
    words = np.random.SeedSequence(list(parts)).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def seed_everything(seed: int) -> None:
    """Seeds Python's, numpy's and torch's (all devices') global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
