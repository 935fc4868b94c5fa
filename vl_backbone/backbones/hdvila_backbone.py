"""HD-VILA models, small or as published, behind the Backbone protocol."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from vl_backbone.backbones.protocol import TextFeatures, TokenBatch, VideoFeatures
from vl_backbone.hdvila.mini import still_neighbours
from vl_backbone.hdvila.model import HDVILA, FusedFeatures
from vl_backbone.hdvila.trunks import join_maps
from vl_backbone.hdvila.video_encoder import Trunks
from vl_backbone.networks.efficientnet_engine import CompiledPyramid

MAX_TOKENS = 128
# What the finest of the joined trunk maps has; a cell of the grid keeps its four quarters apart.
FINE_CHANNELS = 40
# Text layers whose states are handed out beside the top one's: word pieces and two middle layers.
EARLY_LAYERS = (0, 2, 4)


class HDVILABackbone:
    """A frozen HD-VILA; video and text embeddings share one space.

    name, image_size (side in px at which a still is seen) and hands_out_detail are the subclass's. With detail,
    `VideoFeatures.detail` holds the HR trunk's maps of the grid's cells, which pre-training cannot thin out, and that
    of words the states of three earlier text layers.
    """

    name: str
    image_size: int
    hands_out_detail: bool

    def __init__(
        self,
        model: HDVILA,
        tokenizer: PreTrainedTokenizerBase,
        weights: dict[str, str],
        device: torch.device,
        high: CompiledPyramid | None = None,
        low: CompiledPyramid | None = None,
    ) -> None:
        """high, low: the networks of the HR and the LR frames' trunks, compiled; they serve where they can."""
        self.model = model.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.weights = weights
        self.device = device
        self._compiled = high, low

    def encode_video(self, hr: Tensor | None, lr: Tensor | None = None) -> VideoFeatures:
        """hr: [B, S, 3, 512, 512], lr: [B, S, N, 3, 128, 128], RGB in 0..255; one may be None (LR only, still).

        A still is a clip in which nothing moves: its own small version stands for the neighbours.
        """
        hr, lr = (None if frames is None else frames.to(self.device) for frames in (hr, lr))
        if hr is not None and lr is None and hr.dim() == 5:
            lr = still_neighbours(hr.flatten(0, 1)).unflatten(0, hr.shape[:2])
        features, maps = self.model.encode_video_and_maps(hr, lr, self._trunks(hr, lr))
        if maps.high is None or not self.hands_out_detail:
            return features
        detail = trunk_cells(maps.high).unflatten(0, features.grid.shape[:2])
        return VideoFeatures(features.grid, features.embedding, detail)

    def _trunks(self, hr: Tensor | None, lr: Tensor | None) -> Trunks:
        """The compiled trunks, where they can serve."""
        high, low = self._compiled
        return Trunks(
            (lambda rgb: join_maps(high(rgb))) if high and hr is not None and high.takes(hr) else None,
            (lambda rgb: low(rgb)[-1]) if low and lr is not None and low.takes(lr) else None,
        )

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """Sentences to word-piece ids, cut at 128 pieces."""
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return TokenBatch(batch["input_ids"], batch["attention_mask"])

    @torch.no_grad()
    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        """[B, L] ids and mask -> tokens [B, L, 384] after the text layers, embedding [B, 384]."""
        early_layers = EARLY_LAYERS if self.hands_out_detail else ()
        return self.model.encode_text(input_ids.to(self.device), attention_mask.to(self.device), early_layers)

    @torch.no_grad()
    def fuse(self, video: VideoFeatures, text: TextFeatures) -> FusedFeatures:
        """Joint reading of B videos and their texts, with MLM logits."""
        return self.model.fuse(video, text)


def trunk_cells(high: Tensor) -> Tensor:
    """Joined trunk maps [C, 344, 2h, 2w] -> [C, h, w, 464]: four quarters of the finest map, means of the others."""
    rows, columns = (side - side % 2 for side in high.shape[-2:])  # the grid has no cell for an odd last row either
    high = high[..., :rows, :columns]
    fine = F.pixel_unshuffle(high[:, :FINE_CHANNELS], 2)
    return torch.cat((fine, F.avg_pool2d(high[:, FINE_CHANNELS:], 2)), dim=1).permute(0, 2, 3, 1)
