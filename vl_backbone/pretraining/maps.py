"""Pre-training on what frozen trunks have already seen: most of the work of a step, done once per picture.

HD-VILA-mini keeps its convolutional trunks as ImageNet left them, so their maps (`VideoEncoder.trunk_maps`) are
stored and everything behind them is trained. The objectives, the loop and the exact resume are those of full
pre-training.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.backbones.protocol import TextFeatures, VideoFeatures
from vl_backbone.common.errors import UsageError
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.hdvila.video_encoder import TrunkMaps
from vl_backbone.pretraining.contrastive import PRETRAINING_TEMPERATURE, gather_features, similarity
from vl_backbone.pretraining.masking import IGNORE, MaskingConfig, masked_correct, masked_language_loss
from vl_backbone.pretraining.objectives import LossConfig, freeze_stage_one, process_count, sum_over_processes
from vl_backbone.training.data import Batch, Drawn, Tokenizer, hide_words

VIEWS = ("hr", "lr", "both")
# Caption lengths that training sees: often one sentence, sometimes a paragraph of several.
SENTENCES_PER_CAPTION = (1, 1, 2, 3, 5)


@dataclass(frozen=True)
class MapSample:
    """Stored maps of one clip, without a batch dimension (see `TrunkMaps`), and sentences that are true of it.

    backwards: sentences that are true of the clip played backwards, none where that is nothing to be told.
    telling: those sentences of both that tell which way it is played. opposites: pairs of a true statement and its
    untrue opposite.
    """

    high: np.ndarray
    middle: np.ndarray | None
    low: np.ndarray | None
    captions: Sequence[str]
    backwards: Sequence[str] = ()
    telling: Collection[str] = ()
    opposites: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class MapCollator:
    """Drawn MapSamples -> a batch: high, middle, low (where all have them), input_ids, attention_mask, labels.

    Each sample gets a random paragraph of one to five of its sentences, drawn from its own seed. masking: adds labels.
    backwards: adds `backwards` [M], the rows that can be played backwards, and their M texts behind the B others;
    both texts of such a clip then tell the direction. opposites: adds `opposite_rows` [K], the rows that have some, and
    `opposite_ids`, `opposite_mask` [2K, L]: one pair of each, the true statement first.
    """

    tokenizer: Tokenizer
    masking: MaskingConfig | None = None
    backwards: bool = False
    opposites: bool = False

    def __call__(self, drawn: Sequence[Drawn]) -> Batch:
        rngs = [random.Random(d.seed) for d in drawn]
        rows = [i for i, d in enumerate(drawn) if self.backwards and d.sample.backwards]
        texts = [
            _paragraph(d.sample.captions, d.sample.telling if i in rows else (), rngs[i]) for i, d in enumerate(drawn)
        ]
        texts += [_paragraph(drawn[i].sample.backwards, drawn[i].sample.telling, rngs[i]) for i in rows]
        input_ids, attention_mask = self.tokenizer(texts)
        batch = {
            "high": _stack([d.sample.high for d in drawn]),
            "input_ids": input_ids,
            "attention_mask": attention_mask,
        }
        if rows:
            batch["backwards"] = torch.tensor(rows)
        for part in ("middle", "low"):
            if all(getattr(d.sample, part) is not None for d in drawn):
                batch[part] = _stack([getattr(d.sample, part) for d in drawn])
        pairs = {i: rngs[i].choice(d.sample.opposites) for i, d in enumerate(drawn) if d.sample.opposites}
        if self.opposites and pairs:
            batch["opposite_rows"] = torch.tensor(list(pairs))
            statements = [text for pair in pairs.values() for text in pair]
            batch["opposite_ids"], batch["opposite_mask"] = self.tokenizer(statements)
        if self.masking:
            hide_words(batch, [d.seed for d in drawn], self.tokenizer.special_tokens, self.masking)
        return batch


def _paragraph(captions: Sequence[str], telling: Collection[str], rng: random.Random) -> str:
    """One to five of the captions in random order, one of them among `telling` where any is."""
    count = min(rng.choice(SENTENCES_PER_CAPTION), len(captions))
    first = [text for text in captions if text in telling]
    chosen = [rng.choice(first)] if first else []
    chosen += rng.sample([text for text in captions if text not in chosen], count - len(chosen))
    rng.shuffle(chosen)
    return " ".join(chosen)


def encode_maps(model: HDVILA, batch: Batch, view: str) -> VideoFeatures:
    """Stored maps -> what `encode_video` would give for the HR frames, the LR frames, or both."""
    if view not in VIEWS or (view != "hr" and "low" not in batch):
        raise UsageError(f"The view {view!r} cannot be taken of these clips; views are {', '.join(VIEWS)}.")
    high = None if view == "lr" else batch["high"]
    middle, low = batch.get("middle") if view == "both" else None, None if view == "hr" else batch["low"]
    grid = model.grid_from_maps(TrunkMaps(high, middle, low))[:, None]
    embedding = model.transformer.v_proj(grid.mean(dim=(1, 2, 3)))
    return VideoFeatures(grid, F.normalize(embedding, dim=-1))


class MapContrastive(nn.Module):
    """Stage 1 on stored maps; the mean of the contrastive losses of every view in `views` with the same sentences.

    Training single views beside the hybrid keeps the HR frame alone and thumbnails (LR only) usable. A batch with
    `backwards` holds those clips a second time, played backwards and described as such: everything but the movement
    is equal, so each is the other's hardest wrong partner. One with `opposite_rows` adds the cross entropy between a
    true statement about a clip and its opposite (equation 4 with one hard negative): captions hardly teach negation.
    frozen_text_layers: the word pieces and so many of the lowest text layers stay as they were.
    """

    def __init__(
        self, model: HDVILA, views: Sequence[str], frozen_text_layers: int = 0, loss: LossConfig | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.views = tuple(views)
        self.frozen_text_layers = frozen_text_layers
        self.loss = loss or LossConfig()
        for part in (model.cnn, model.cnn_low, *self._frozen_text()):
            part.requires_grad_(False)

    def _frozen_text(self) -> list[nn.Module]:
        bert = self.model.transformer.bert
        return [bert.embeddings, *bert.encoder.layer[: self.frozen_text_layers]]

    def train(self, mode: bool = True) -> MapContrastive:
        super().train(mode)
        if self.frozen_text_layers:
            for part in self._frozen_text():
                part.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """A batch of MapCollator -> loss; accuracy of each view: how often a sentence is closest to its own clip."""
        text = self.model.encode_text(batch["input_ids"], batch["attention_mask"]).embedding
        losses, figures = [], {}
        pairs = None
        if "opposite_rows" in batch:
            pairs = self.model.encode_text(batch["opposite_ids"], batch["opposite_mask"]).embedding.unflatten(
                0, (-1, 2)
            )
        for view in self.views:
            video = encode_maps(self.model, batch, view).embedding
            if pairs is not None:
                scores = torch.einsum("kpe,ke->kp", pairs.float(), video[batch["opposite_rows"]].float())
                first = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
                losses.append(F.cross_entropy(scores / PRETRAINING_TEMPERATURE, first))
                figures[f"opposites_{view}"] = (scores.argmax(dim=1) == 0).float().mean()
            if "backwards" in batch and view != "hr":
                video = torch.cat((video, encode_maps(self.model, _played_backwards(batch), view).embedding))
            # The HR frame is the same both ways and can only belong to the first B texts.
            video, partners = gather_features(video), gather_features(text[: len(video)])
            losses.append(self.loss(video, partners))
            best = similarity(video, partners).argmax(dim=1)
            figures[f"accuracy_{view}"] = (best == torch.arange(len(best), device=best.device)).float().mean()
        return {"loss": torch.stack(losses).mean(), **figures}


class MapMaskedWords(nn.Module):
    """Stage 2 on stored maps: equation 5 with everything of stage 1 frozen.

    The decoder over the vocabulary stays the copy of the word embeddings that it starts as, so that it need not be
    stored with the weights.
    """

    def __init__(self, model: HDVILA, view: str) -> None:
        super().__init__()
        if model.stage != 2 or model.answers:
            raise UsageError("Masked words need a stage-2 model without an answer head.")
        self.model = model
        self.view = view
        freeze_stage_one(model)
        model.transformer.cls.predictions.decoder.weight.requires_grad_(False)

    def train(self, mode: bool = True) -> MapMaskedWords:
        super().train(mode)
        bert = self.model.transformer.bert
        for part in (self.model.timesformer, bert.embeddings, *bert.encoder.layer[: self.model.config.text_layers]):
            part.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """A batch of MapCollator with masking -> loss and accuracy over the asked words."""
        with torch.no_grad():
            video = encode_maps(self.model, batch, self.view)
            tokens = self.model.encode_tokens(batch["input_ids"], batch["attention_mask"])
        where = batch["labels"] != IGNORE
        text = TextFeatures(tokens, batch["attention_mask"], tokens[:, 0])
        logits, labels = self.model.predict_words(video, text, where), batch["labels"][where]
        total, count = masked_language_loss(logits, labels)
        asked = sum_over_processes(count).clamp(min=1)
        correct = sum_over_processes(masked_correct(logits, labels))
        return {"loss": total * process_count() / asked, "accuracy": correct / asked}


def _played_backwards(batch: Batch) -> Batch:
    rows = batch["backwards"]
    return {
        "high": batch["high"][rows],
        "middle": batch["middle"][rows],
        "low": batch["low"][rows].flip(1),
    }


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).float()
