"""An exponential moving average of the trained weights (EMA), for evaluation and as the final weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """average <- decay * average + (1 - decay) * weights, after every step; trainable parameters only.

    A young average follows the weights more closely: the decay at step n is at most (1 + n) / (10 + n).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors: dict[str, Tensor] = {name: p.detach().clone() for name, p in _trained(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Takes in the weights after step 1, 2, ..."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, parameter in _trained(model).items():
            self.tensors[name].lerp_(parameter, share)

    @torch.no_grad()
    def apply(self, model: nn.Module) -> None:
        """Puts the average in the place of the weights."""
        for name, parameter in _trained(model).items():
            parameter.copy_(self.tensors[name])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model with the averaged weights; its own come back at the end."""
        own = {name: p.detach().clone() for name, p in _trained(model).items()}
        self.apply(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in _trained(model).items():
                    parameter.copy_(own[name])


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
