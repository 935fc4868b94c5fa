"""Batch-norm statistics for trunks that start from random weights.

HD-VILA keeps all batch norms in evaluation mode, which is right for trunks that bring their statistics from an image
data set. Random trunks bring none: their features would all but vanish. So these are measured first.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from vl_backbone.common.errors import UsageError
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.training.data import Batch


def calibrate_batch_norms(model: HDVILA, batches: Iterable[Batch]) -> None:
    """Sets the running mean and variance of every batch norm to those of these batches (hr, lr), in place.

    Nothing else changes. Layers that the batches do not reach get mean 0 and variance 1. UsageError without batches.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    modes = [norm.training for norm in norms]
    seen = False
    device = next(model.parameters()).device
    try:
        for norm in norms:
            norm.reset_running_stats()
            # None averages over all batches alike.
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            for batch in batches:
                lr = batch.get("lr")
                model.encode_grid(batch["hr"].to(device), None if lr is None else lr.to(device))
                seen = True
    finally:
        for norm, momentum, mode in zip(norms, momenta, modes, strict=True):
            norm.momentum = momentum
            norm.train(mode)
    if not seen:
        raise UsageError("Batch norms can only be measured on at least one batch.")
