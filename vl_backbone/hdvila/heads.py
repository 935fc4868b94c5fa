"""What sits on the joint states: word prediction, text-video matching, answers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.hdvila.config import HDVILAConfig


class Transform(nn.Module):
    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.LayerNorm(F.gelu(self.dense(x)))
        return y


class WordPrediction(nn.Module):
    """States to vocabulary logits; the decoder is not tied to the word embeddings."""

    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        self.transform = Transform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        self.share_bias()

    def share_bias(self) -> None:
        """One parameter under the two names that official checkpoints have for it."""
        self.bias = self.decoder.bias

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.decoder(self.transform(x))
        return scores


class PretrainingHeads(nn.Module):
    """`predictions`: masked words; `seq_relationship`: do text and video belong together (2 classes)."""

    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        self.predictions = WordPrediction(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)


def answer_head(config: HDVILAConfig, answers: int) -> nn.Sequential:
    """Pooled joint state to answer logits; one answer means a score per candidate (multiple choice)."""
    dim = config.hidden_size
    return nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, answers))


def pool_clips(per_clip: Tensor, how: str) -> Tensor:
    """[S, B, ...] -> [B, ...]: "lse" (log of the sum of exponentials), "mean" or "max" over the clips."""
    if len(per_clip) == 1:
        return per_clip[0]
    if how == "lse":
        return torch.logsumexp(per_clip, dim=0)
    return per_clip.mean(0) if how == "mean" else per_clip.amax(0)
