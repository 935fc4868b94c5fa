"""`hdvila-mini`: the pre-trained small HD-VILA behind the Backbone protocol, the default video-language backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from vl_backbone.hdvila.mini import HR_SIZE, still_neighbours
from vl_backbone.hdvila.model import HDVILA, FusedFeatures
from vl_backbone.protocol import TextFeatures, TokenBatch, VideoFeatures

MAX_TOKENS = 128


class HDVILAMini:
    """Frozen; `grid` has 384 channels on 8x8 cells, `tokens` 384; video and text embeddings share one space."""

    name = "hdvila-mini"
    image_size = HR_SIZE

    def __init__(
        self, model: HDVILA, tokenizer: PreTrainedTokenizerBase, weights: dict[str, str], device: torch.device
    ) -> None:
        self.model = model.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.weights = weights
        self.device = device

    def encode_video(self, hr: Tensor | None, lr: Tensor | None = None) -> VideoFeatures:
        """hr: [B, S, 3, 512, 512], lr: [B, S, N, 3, 128, 128], RGB in 0..255; one may be None (LR only, still).

        A still is a clip in which nothing moves: its own small version stands for the neighbours.
        """
        hr, lr = (None if frames is None else frames.to(self.device) for frames in (hr, lr))
        if hr is not None and lr is None and hr.dim() == 5:
            lr = still_neighbours(hr.flatten(0, 1)).unflatten(0, hr.shape[:2])
        return self.model.encode_video(hr, lr)

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """Sentences to word-piece ids, cut at 128 pieces."""
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return TokenBatch(batch["input_ids"], batch["attention_mask"])

    @torch.no_grad()
    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        """[B, L] ids and mask -> tokens [B, L, 384] after the text layers, embedding [B, 384]."""
        return self.model.encode_text(input_ids.to(self.device), attention_mask.to(self.device))

    @torch.no_grad()
    def fuse(self, video: VideoFeatures, text: TextFeatures) -> FusedFeatures:
        """Joint reading of B videos and their texts, with MLM logits."""
        return self.model.fuse(video, text)
