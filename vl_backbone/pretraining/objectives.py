"""What each pre-training stage computes from a batch, as one module, so that data-parallel training can wrap it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vl_backbone.common.errors import UsageError
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.contrastive import LOSSES, gather_features, similarity
from vl_backbone.pretraining.masking import masked_correct, masked_language_loss
from vl_backbone.training.data import Batch


@dataclass(frozen=True)
class LossConfig:
    """kind: see vl_backbone.pretraining.contrastive. The other fields default to that loss's own values.

    temperature: of "contrastive" and "nce"; negatives: of "hard_negative"; margin: of "triplet".
    """

    kind: Literal["contrastive", "nce", "hard_negative", "triplet"] = "contrastive"
    temperature: float | None = None
    negatives: int | None = None
    margin: float | None = None

    def __post_init__(self) -> None:
        takes = {"contrastive": "temperature", "nce": "temperature", "hard_negative": "negatives", "triplet": "margin"}
        for name in ("temperature", "negatives", "margin"):
            value = getattr(self, name)
            if value is not None and (takes[self.kind] != name or not value > 0):
                raise UsageError(f"The loss {self.kind!r} takes {takes[self.kind]} > 0, got {name}={value}.")

    def __call__(self, video: Tensor, text: Tensor) -> Tensor:
        """Embeddings [B, E] -> scalar."""
        options = {"temperature": self.temperature, "negatives": self.negatives, "margin": self.margin}
        return LOSSES[self.kind](video, text, **{name: v for name, v in options.items() if v is not None})


class ContrastiveObjective(nn.Module):
    """Stage 1 and retrieval fine-tuning: the loss over the embeddings of all processes.

    forward: a batch of hr, lr, input_ids, attention_mask -> loss, and accuracy: how often a sentence is closest to
    its own video.
    """

    def __init__(self, model: HDVILA, loss: LossConfig | None = None) -> None:
        super().__init__()
        self.model = model
        self.loss = loss or LossConfig()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        video = self.model.encode_video(batch["hr"], batch.get("lr")).embedding
        text = self.model.encode_text(batch["input_ids"], batch["attention_mask"]).embedding
        video, text = gather_features(video), gather_features(text)
        best = similarity(video, text).argmax(dim=1)
        accuracy = (best == torch.arange(len(best), device=best.device)).float().mean()
        return {"loss": self.loss(video, text), "accuracy": accuracy}


class MaskedWordsObjective(nn.Module):
    """Stage 2: masked words guessed from the sentence and the video, both encoders frozen (equation 5).

    forward: a batch of hr, lr, input_ids, attention_mask, labels -> loss and accuracy over the asked words of all
    processes (a mean over words, not a mean of the processes' means). frozen_dropout: whether the frozen half keeps
    its dropout, as it did in the released training code.
    """

    def __init__(self, model: HDVILA, frozen_dropout: bool = True) -> None:
        super().__init__()
        if model.stage != 2 or model.answers:
            raise UsageError("Masked words need a stage-2 model without an answer head.")
        self.model = model
        self.frozen_dropout = frozen_dropout
        freeze_stage_one(model)

    def train(self, mode: bool = True) -> MaskedWordsObjective:
        super().train(mode)
        if not self.frozen_dropout:
            bert = self.model.transformer.bert
            for module in (
                self.model.timesformer,
                bert.embeddings,
                *bert.encoder.layer[: self.model.config.text_layers],
            ):
                module.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            video = self.model.encode_video(batch["hr"], batch.get("lr"))
            text = self.model.encode_text(batch["input_ids"], batch["attention_mask"])
        logits = self.model.fuse(video, text).mlm_logits
        total, count = masked_language_loss(logits, batch["labels"])
        asked = sum_over_processes(count).clamp(min=1)
        correct = sum_over_processes(masked_correct(logits, batch["labels"]))
        # Data-parallel training averages gradients over processes; the factor makes that a mean over words.
        return {"loss": total * process_count() / asked, "accuracy": correct / asked}


FROZEN_IN_STAGE_TWO = (
    "cnn.",
    "cnn_low.",
    "grid_encoder.",
    "grid_encoder_low.",
    "grid_encoder_combine.",
    "timesformer.",
    "transformer.bert.embeddings.",
    "transformer.bert.pooler1.",
    "transformer.t_proj.",
    "transformer.v_proj.",
)


def freeze_stage_one(model: HDVILA) -> None:
    """Freezes what stage 1 has trained: both visual encoders, the text-only layers, their pooling and projections."""
    layers = tuple(f"transformer.bert.encoder.layer.{i}." for i in range(model.config.text_layers))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(FROZEN_IN_STAGE_TWO + layers))


def process_count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of all processes' values; no gradient."""
    value = value.detach().clone()
    if process_count() > 1:
        dist.all_reduce(value)
    return value
