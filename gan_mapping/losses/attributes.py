"""Losses on readings of attributes, 0 for "no" and 1 for "yes": what was asked for arrives, the rest stays."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def attribute_keeping(before: Tensor, after: Tensor, held: Tensor) -> Tensor:
    """Huber distance of the readings [B, A] that must not move, meaned over them -> [B].

    held: [B, A] 1 where an attribute is neither asked for nor allowed to follow.
    """
    moved = F.huber_loss(after, before, reduction="none", delta=0.5) * held
    return moved.sum(1) / held.sum(1).clamp(min=1)


def attribute_reaching(before: Tensor, after: Tensor, wanted: Tensor) -> Tensor:
    """Squared shortfall of the readings [B, A] behind the wished change, meaned over what was asked for -> [B].

    wanted: [B, A] signed change, 0 where nothing was asked. Moving further than wished costs nothing here.
    """
    short = F.relu(wanted.abs() - (after - before) * wanted.sign()).square() * (wanted != 0)
    return short.sum(1) / (wanted != 0).sum(1).clamp(min=1)
