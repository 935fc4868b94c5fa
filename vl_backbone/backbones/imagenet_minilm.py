"""`imagenet-minilm`: the plain baseline behind the Backbone protocol that HD-VILA-mini must beat.

Vision: frozen ImageNet EfficientNet-lite0, three stages on one 8x8 grid. Text: frozen all-MiniLM-L6-v2.
The two halves were never trained together, so their embeddings share no space; linear mappers read the
grid and the token states instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from vl_backbone.backbones.protocol import TextFeatures, TokenBatch, VideoFeatures
from vl_backbone.networks.efficientnet import EfficientNetLite0
from vl_backbone.networks.efficientnet_engine import CompiledPyramid

if TYPE_CHECKING:
    from transformers import BertModel

GRID_SIZE = 8
STAGE_BLOCK = 14  # the last block used: 192 channels at stride 32
GRID_CHANNELS = 40 * 4 + 112 + 192
# Hidden layers of MiniLM whose states are joined into a token's state: word pieces, two middle layers, the top.
TEXT_LAYERS = (0, 2, 4, 6)
MAX_TOKENS = 96


class ImagenetMiniLM:
    """See the module's docstring; `grid` has 464 channels, `tokens` 4 x 384."""

    name = "imagenet-minilm"
    image_size = 256

    def __init__(
        self,
        vision: EfficientNetLite0,
        text: BertModel,
        tokenizer: PreTrainedTokenizerBase,
        weights: dict[str, str],
        device: torch.device,
        pyramid: CompiledPyramid | None = None,
    ) -> None:
        """pyramid: `vision` up to STAGE_BLOCK, compiled; it serves where it can."""
        self.vision = vision.eval().requires_grad_(False).to(device)
        self.text = text.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.weights = weights
        self.device = device
        self._pyramid = pyramid

    def encode_video(self, hr: Tensor, lr: Tensor | None = None) -> VideoFeatures:
        """hr: [B, S, 3, 256, 256] RGB in 0..255 -> grid [B, S, 8, 8, 464]; lr is ignored (no notion of time).

        A cell holds the four stride-8 vectors inside it (2x2 quarters, 40 channels each), then the
        stride-16 mean (112), then the stride-32 vector (192).
        """
        b, s = hr.shape[:2]
        frames = hr.flatten(0, 1).to(self.device)
        if self._pyramid and self._pyramid.takes(frames):
            _, fine, middle, coarse = self._pyramid(frames)
        else:
            _, fine, middle, coarse = self.vision(frames, last_block=STAGE_BLOCK).maps
        fine = F.pixel_unshuffle(F.adaptive_avg_pool2d(fine, 2 * GRID_SIZE), 2)
        middle = F.adaptive_avg_pool2d(middle, GRID_SIZE)
        coarse = F.adaptive_avg_pool2d(coarse, GRID_SIZE)
        grid = torch.cat((fine, middle, coarse), dim=1).permute(0, 2, 3, 1).unflatten(0, (b, s))
        return VideoFeatures(grid=grid, embedding=F.normalize(grid.mean(dim=(1, 2, 3)), dim=1))

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """Sentences to word-piece ids, cut at 96 pieces."""
        batch = self.tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        return TokenBatch(batch["input_ids"], batch["attention_mask"])

    @torch.no_grad()
    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        """[B, L] ids and mask -> tokens [B, L, 1536] (four layers side by side), embedding [B, 384]."""
        input_ids, attention_mask = input_ids.to(self.device), attention_mask.to(self.device)
        output = self.text(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
        tokens = torch.cat([output.hidden_states[i] for i in TEXT_LAYERS], dim=-1)
        mask = attention_mask[..., None].to(tokens.dtype)
        # all-MiniLM-L6-v2's own sentence embedding: mean of the top layer, unit norm.
        mean = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
        return TextFeatures(tokens=tokens, attention_mask=attention_mask, embedding=F.normalize(mean, dim=1))
