"""Masked language modelling (HD-VILA, equation 5; Devlin et al. 2019): what is hidden, and the loss of guessing it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vl_backbone.common.errors import UsageError

IGNORE = -100


@dataclass(frozen=True)
class MaskingConfig:
    """probability: share of word pieces to guess; of these, share shown as [MASK] and share shown as a random word.

    The rest is shown as it is. Special word pieces and padding are never asked for, but a random word may be any
    entry of the vocabulary, special ones included, as in the released code.
    """

    probability: float = 0.15
    masked: float = 0.8
    random: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise UsageError(f"The masking probability must lie in (0, 1], got {self.probability}.")
        if self.masked < 0 or self.random < 0 or self.masked + self.random > 1:
            raise UsageError(f"The shares masked={self.masked} and random={self.random} must add up to 1 at most.")


@dataclass(frozen=True)
class SpecialTokens:
    """Word-piece numbers of a BERT vocabulary: the mask, all special ones, and how many entries there are."""

    mask: int
    special: tuple[int, ...]
    vocabulary: int


def mask_tokens(
    input_ids: Tensor, tokens: SpecialTokens, generator: torch.Generator, config: MaskingConfig | None = None
) -> tuple[Tensor, Tensor]:
    """input_ids (any shape, int64) -> (ids to show, labels), both of that shape; -100 where nothing is asked."""
    config = config or MaskingConfig()
    draw = torch.rand(input_ids.shape, generator=generator)
    kind = torch.rand(input_ids.shape, generator=generator)
    words = torch.randint(tokens.vocabulary, input_ids.shape, generator=generator)
    ordinary = ~torch.isin(input_ids, torch.tensor(tokens.special))
    asked = ordinary & (draw < config.probability)
    labels = torch.where(asked, input_ids, torch.full_like(input_ids, IGNORE))
    shown = torch.where(asked & (kind < config.masked), torch.full_like(input_ids, tokens.mask), input_ids)
    swapped = asked & (kind >= config.masked) & (kind < config.masked + config.random)
    return torch.where(swapped, words, shown), labels


def masked_language_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """logits [..., V], labels [...] -> (sum of the cross entropies, number of asked word pieces).

    Sums rather than a mean, so that batches and processes with different numbers of asked words can be joined
    exactly; the mean of equation 5 is the one over the other.
    """
    with torch.autocast(logits.device.type, enabled=False):
        total = F.cross_entropy(logits.float().flatten(0, -2), labels.flatten(), ignore_index=IGNORE, reduction="sum")
    return total, (labels != IGNORE).sum()


def masked_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of the asked word pieces get the highest score."""
    return ((logits.argmax(-1) == labels) & (labels != IGNORE)).sum()
