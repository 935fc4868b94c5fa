"""The seam behind which every video-language backbone sits: HD-VILA, the plain baseline, a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True)
class VideoFeatures:
    """What a backbone sees.

    grid: [B, S, h', w', D] feature grid of each of S clips (a still image is one clip, S = 1).
    embedding: [B, E] unit-norm summary.
    detail: [B, S, h', w', D'] earlier maps of the same cells, where the grid has dropped what words cannot tell.
    """

    grid: Tensor
    embedding: Tensor
    detail: Tensor | None = None

    def still(self) -> Tensor:
        """Everything that is seen of the first clip, as linear layers read it: [B, h' * w' * (D + D')]."""
        cells = self.grid if self.detail is None else torch.cat((self.grid, self.detail), dim=-1)
        return cells[:, 0].flatten(1)


@dataclass(frozen=True)
class TextFeatures:
    """What a backbone reads.

    tokens: [B, L, D] one state per word piece; padded positions are undefined.
    attention_mask: [B, L] 1 for real tokens, 0 for padding.
    embedding: [B, E] unit-norm summary.
    detail: [B, L, D'] the same word pieces in earlier layers.
    """

    tokens: Tensor
    attention_mask: Tensor
    embedding: Tensor
    detail: Tensor | None = None

    def states(self) -> Tensor:
        """Everything that is read of each word piece, as linear layers take it: [B, L, D + D']."""
        return self.tokens if self.detail is None else torch.cat((self.tokens, self.detail), dim=-1)


@dataclass(frozen=True)
class TokenBatch:
    """Tokenized sentences: input_ids and attention_mask, both [B, L] int64."""

    input_ids: Tensor
    attention_mask: Tensor


@runtime_checkable
class Backbone(Protocol):
    """A frozen video-language model.

    name: what `load_backbone` knows it by.
    image_size: side in pixels of the square frames that encode_video expects.
    weights: sha256 of every weight file in use, by name.
    """

    name: str
    image_size: int
    weights: dict[str, str]

    def encode_video(self, hr: Tensor, lr: Tensor | None = None) -> VideoFeatures:
        """hr: [B, S, 3, H, W] RGB in 0..255; lr: [B, S, N, 3, h, w] neighbours or None for a still image."""
        ...

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """The matching tokenizer: sentences to padded word-piece ids."""
        ...

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        """input_ids, attention_mask: [B, L] as `tokenize` gives them."""
        ...
