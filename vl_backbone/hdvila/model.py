"""HD-VILA as one module, with the official names in its state dict. No files, no device choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.backbones.protocol import TextFeatures, VideoFeatures
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.hdvila.bert import Bert
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.heads import PretrainingHeads, answer_head, pool_clips
from vl_backbone.hdvila.video_encoder import OWN_TRUNKS, TrunkMaps, Trunks, VideoEncoder


@dataclass(frozen=True)
class FusedFeatures:
    """What text and video say together.

    text_tokens: [B, L, D] joint states of the text, pooled over the S clips; padded positions are undefined.
    video_tokens: [S, B, cells, D] joint states of the grid cells, for each clip.
    pooled: [S, B, D] one summary per clip.
    mlm_logits: [B, L, vocabulary]; match_logits: [B, 2], class 1 = text and video belong together.
    """

    text_tokens: Tensor
    video_tokens: Tensor
    pooled: Tensor
    mlm_logits: Tensor
    match_logits: Tensor


class Transformer(nn.Module):
    """The language half: BERT with projections and pre-training heads, or with an answer head."""

    def __init__(self, config: HDVILAConfig, stage: int, answers: int) -> None:
        super().__init__()
        dim = config.hidden_size
        self.bert = Bert(config, stage)
        if answers:
            self.dropout = nn.Dropout(config.hidden_dropout_prob)
            self.classifier = answer_head(config, answers)
        else:
            if stage == 2:
                self.cls = PretrainingHeads(config)
            self.t_proj = nn.Linear(dim, dim)
            self.v_proj = nn.Linear(dim, dim)
        self._initialise(config.initializer_range)

    def _initialise(self, spread: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=spread)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        if hasattr(self, "cls"):
            with torch.no_grad():
                self.cls.predictions.decoder.weight.copy_(self.bert.embeddings.word_embeddings.weight)


class HDVILA(VideoEncoder):
    """See `build_hdvila`. Differentiable throughout; torch.no_grad() or inference_mode() around a call saves memory."""

    def __init__(self, config: HDVILAConfig, stage: int, answers: int = 0) -> None:
        super().__init__(config)
        self.config = config
        self.stage = stage
        self.answers = answers
        self.transformer = Transformer(config, stage, answers)

    def official_state_dict(self) -> dict[str, Tensor]:
        """All weights under their official names, detached and sharing memory with the model."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}

    def encode_video(self, hr: Tensor | None = None, lr: Tensor | None = None) -> VideoFeatures:
        """hr: [B, S, 3, H, W] frames, lr: [B, S, N, 3, h, w] their neighbours, RGB in 0..255; one may be None.

        With both, h' = H / 64 must equal h / 16 (rounded as convolutions do). Without hr, the grid is that of frame
        N // 2. Returns grid [B, S, h', w', D] and embedding [B, D] (mean over clips and cells, projected, unit norm).
        Raises InputError for what cannot be encoded, UsageError on a model with an answer head.
        """
        return self.encode_video_and_maps(hr, lr)[0]

    def encode_video_and_maps(
        self, hr: Tensor | None = None, lr: Tensor | None = None, trunks: Trunks = OWN_TRUNKS
    ) -> tuple[VideoFeatures, TrunkMaps]:
        """As `encode_video`, with the trunks' maps of all B * S clips; trunks: as in `trunk_maps`."""
        self._needs(not self.answers, "has an answer head instead of an embedding", "answer(...) or choose(...)")
        grid, maps = self.encode_grid_and_maps(hr, lr, trunks)
        embedding = F.normalize(self.transformer.v_proj(grid.mean(dim=(1, 2, 3))), dim=-1)
        return VideoFeatures(grid, embedding), maps

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor, early_layers: Sequence[int] = ()) -> TextFeatures:
        """input_ids, attention_mask: [B, L], mask 1 for real tokens (padding included nowhere else).

        Returns tokens [B, L, D] (states after the text-only layers) and embedding [B, D] (unit norm); with
        early_layers also detail [B, L, n * D], the states after so many layers each (0: the word pieces).
        Raises InputError for ids, masks or lengths that the model cannot take.
        """
        self._needs(not self.answers, "has an answer head instead of an embedding", "answer(...) or choose(...)")
        self._check_text(input_ids, attention_mask)
        layers = self.transformer.bert.text_states(input_ids, attention_mask)
        early = torch.cat([layers[i] for i in early_layers], dim=-1) if early_layers else None
        pooled = self.transformer.bert.pool_text(layers[-1], attention_mask)
        return TextFeatures(layers[-1], attention_mask, F.normalize(self.transformer.t_proj(pooled), dim=-1), early)

    def encode_tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """As `encode_text`, without the pooling: [B, L, D]."""
        self._check_text(input_ids, attention_mask)
        return self.transformer.bert.text_states(input_ids, attention_mask)[-1]

    def fuse(self, video: VideoFeatures, text: TextFeatures) -> FusedFeatures:
        """Joint reading of B videos and their B texts; stage 2 only (UsageError otherwise)."""
        self._needs(self.stage == 2 and not self.answers, "cannot fuse", "a stage-2 pre-training model")
        joint = self._joint_states(video.grid, text.tokens, text.attention_mask)
        length = text.tokens.shape[1]
        pooled = self.transformer.bert.pooler2(joint[:, :, 0])
        how = self.config.score_agg_func
        text_tokens = pool_clips(joint[:, :, :length], how)
        return FusedFeatures(
            text_tokens=text_tokens,
            video_tokens=joint[:, :, length:],
            pooled=pooled,
            mlm_logits=self.transformer.cls.predictions(text_tokens),
            match_logits=self.transformer.cls.seq_relationship(pool_clips(pooled, how)),
        )

    def predict_words(self, video: VideoFeatures, text: TextFeatures, where: Tensor) -> Tensor:
        """The MLM logits of `fuse` at the positions where [B, L] (bool) is true only: [n, vocabulary], row-major."""
        self._needs(self.stage == 2 and not self.answers, "cannot fuse", "a stage-2 pre-training model")
        joint = self._joint_states(video.grid, text.tokens, text.attention_mask)[:, :, : where.shape[1]]
        logits: Tensor = self.transformer.cls.predictions(pool_clips(joint, self.config.score_agg_func)[where])
        return logits

    def answer(self, hr: Tensor | None, lr: Tensor | None, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Open-ended questions [B, L] about B videos -> [S, B, answers] logits per clip."""
        self._needs(self.answers > 0, "has no answer head", "build_hdvila(..., answers=N)")
        states = self.encode_tokens(input_ids, attention_mask)
        return self._answer(self.encode_grid(hr, lr), states, attention_mask)

    def choose(self, hr: Tensor | None, lr: Tensor | None, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Multiple choice: [B, n, L] question-with-candidate texts about B videos -> [S, B, n] scores per clip."""
        self._needs(self.answers == 1, "does not score candidates", "build_hdvila(..., answers=1)")
        if input_ids.dim() != 3 or attention_mask.shape != input_ids.shape:
            raise InputError(
                f"input_ids and attention_mask have shapes {list(input_ids.shape)} and {list(attention_mask.shape)}; "
                "both must be [B, candidates, L]."
            )
        choices = input_ids.shape[1]
        mask = attention_mask.flatten(0, 1)
        states = self.encode_tokens(input_ids.flatten(0, 1), mask)
        grid = self.encode_grid(hr, lr).repeat_interleave(choices, dim=0)
        scores: Tensor = self._answer(grid, states, mask).squeeze(-1).unflatten(1, (-1, choices))
        return scores

    def _answer(self, grid: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        pooled = self.transformer.bert.pooler2(self._joint_states(grid, states, mask)[:, :, 0])
        scores: Tensor = self.transformer.classifier(self.transformer.dropout(pooled))
        return scores

    def _joint_states(self, grid: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """[B, S, h, w, D], [B, L, D], [B, L] -> [S, B, L + cells, D]."""
        if len(grid) != len(states):
            raise InputError(f"There are {len(grid)} videos but {len(states)} texts; they must come in pairs.")
        clips, rows, columns = grid.shape[1:4]
        limits = self.config.max_grid_row_position_embeddings, self.config.max_grid_col_position_embeddings
        if rows > limits[0] or columns > limits[1]:
            raise InputError(
                f"The video's grid has {rows}x{columns} cells, but text and video can be joined up to "
                f"{limits[0]}x{limits[1]}; use smaller frames."
            )
        joint = self.transformer.bert.fuse(
            states.repeat(clips, 1, 1), mask.repeat(clips, 1), grid.transpose(0, 1).flatten(0, 1)
        )
        states_by_clip: Tensor = joint.unflatten(0, (clips, -1))
        return states_by_clip

    def _needs(self, fine: bool, why: str, instead: str) -> None:
        if not fine:
            raise UsageError(f"This stage-{self.stage} HD-VILA model {why}; use {instead}.")

    def _check_text(self, input_ids: Tensor, attention_mask: Tensor) -> None:
        for name, value in (("input_ids", input_ids), ("attention_mask", attention_mask)):
            if not isinstance(value, Tensor) or value.is_floating_point() or value.is_complex():
                raise InputError(f"{name} must be a tensor of whole numbers [B, L].")
        if input_ids.dim() != 2 or not input_ids.numel() or attention_mask.shape != input_ids.shape:
            raise InputError(
                f"input_ids and attention_mask have shapes {list(input_ids.shape)} and {list(attention_mask.shape)}; "
                "both must be [B, L] and hold at least one token."
            )
        longest = self.config.max_position_embeddings
        if input_ids.shape[1] > longest:
            raise InputError(f"The text has {input_ids.shape[1]} tokens but this model reads {longest}; cut it.")
        low, high = (value.item() for value in torch.aminmax(input_ids))
        if low < 0 or high >= self.config.vocab_size:
            raise InputError(
                f"input_ids go from {low} to {high}, but the vocabulary has ids 0 to {self.config.vocab_size - 1}; "
                "use the tokenizer that belongs to this model."
            )
        if ((attention_mask != 0) & (attention_mask != 1)).any():
            raise InputError("attention_mask must be 1 for real tokens and 0 for padding, nothing else.")
        if not attention_mask.bool().any(dim=1).all():
            raise InputError("A text has no real token: its attention_mask is 0 everywhere.")


def build_hdvila(config: Mapping[str, Any] | HDVILAConfig, stage: int, answers: int = 0) -> HDVILA:
    """A model with random weights, initialised as for pre-training, in evaluation mode (call `.train()` to train it).

    config: the official JSON's fields and `resnet_base_channels`, see HDVILAConfig. stage 1: video and text encoders
    with a shared embedding; stage 2: the multimodal half and pre-training heads on top. answers: with stage 2, an
    answer head of that many classes instead (1: multiple choice). Raises InputError naming what is wrong.
    """
    if stage not in (1, 2):
        raise InputError(f"HD-VILA has stages 1 and 2, not {stage!r}.")
    if isinstance(answers, bool) or not isinstance(answers, int) or answers < 0 or (answers and stage == 1):
        raise InputError(f"answers is {answers!r}, but it must be 0, or with stage 2 the number of answers.")
    parsed = config if isinstance(config, HDVILAConfig) else HDVILAConfig.from_dict(config)
    return HDVILA(parsed, stage, answers).eval()
