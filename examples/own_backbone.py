"""A backbone of one's own behind the name "colors": registered, loaded, asked. Run: python examples/own_backbone.py"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from vl_backbone.backbones.protocol import Backbone, TextFeatures, TokenBatch, VideoFeatures
from vl_backbone.backbones.registry import load_backbone, register_backbone
from vl_backbone.weights import WeightStore

WORDS = ("red", "green", "blue")


class Colors:
    """Sees the mean color of 4x4 cells and reads the three words for it; the least that the protocol asks for."""

    name, image_size = "colors", 64
    weights: ClassVar[dict[str, str]] = {}

    def encode_video(self, hr: Tensor | None, lr: Tensor | None = None) -> VideoFeatures:
        assert hr is not None
        cells = F.adaptive_avg_pool2d(hr.flatten(0, 1) / 255, 4).permute(0, 2, 3, 1).unflatten(0, hr.shape[:2])
        return VideoFeatures(cells, F.normalize(cells.mean(dim=(1, 2, 3)), dim=1))

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        ids = [[WORDS.index(word) + 1 if word in WORDS else 0 for word in text.split()][:8] for text in texts]
        padded = torch.tensor([row + [0] * (8 - len(row)) for row in ids])
        return TokenBatch(padded, torch.ones_like(padded))

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        tokens = F.one_hot(input_ids, 4)[..., 1:].float()
        embedding = F.normalize(tokens.sum(1) + 1e-6, dim=1)
        return TextFeatures(tokens=tokens, embedding=embedding, attention_mask=attention_mask)

    def fuse(self, video: VideoFeatures, text: TextFeatures) -> Any:
        raise NotImplementedError("mappers do not ask for it")


def load_colors(device: torch.device, store: WeightStore) -> Backbone:
    """What is registered: a loader of the ready backbone."""
    return Colors()


if __name__ == "__main__":
    register_backbone("colors", load_colors)
    backbone = load_backbone("colors")
    red = torch.zeros(1, 1, 3, 64, 64).index_fill_(2, torch.tensor([0]), 200)
    batch = backbone.tokenize(["a red picture", "a blue picture"])
    texts = backbone.encode_text(batch.input_ids, batch.attention_mask).embedding
    print("a red picture fits:", [round(float(x), 2) for x in backbone.encode_video(red).embedding[0] @ texts.T])
