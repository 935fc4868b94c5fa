"""Contrastive language-image losses with a frozen backbone whose video and text embeddings share one space."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vl_backbone.pretraining.contrastive import contrastive_loss, gather_features

NCE_TEMPERATURE = 0.07


def directional_distance(edited: Tensor, source: Tensor, target: Tensor, neutral: Tensor) -> Tensor:
    """1 - cos(E_v(edited) - E_v(source), E_t(target) - E_t(neutral)), all [B, E] -> [B] in 0..2.

    Only differences inside one modality are compared, so that it does not matter where in the space pictures and
    sentences lie (StyleGAN-NADA, Gal 2021, arXiv 2108.00946, eq. 2).
    """
    return 1 - F.cosine_similarity(edited - source, target - neutral, dim=1, eps=1e-6)


def matching_loss(video: Tensor, text: Tensor, temperature: float = NCE_TEMPERATURE, joined: bool = True) -> Tensor:
    """In-batch NCE, scalar: embeddings (or their differences) [B, E], row i of one belongs to row i of the other.

    joined: over the batches of all processes, which must all call this.
    HD-VILA's own loss (arXiv 2111.10337, eq. 4) on unit vectors.
    """
    pictures, sentences = (F.normalize(x.float(), dim=1) for x in (video, text))
    if joined:
        pictures, sentences = gather_features(pictures), gather_features(sentences)
    return contrastive_loss(pictures, sentences, temperature)
