"""A FaceEditor of the project's own classes, with random networks so small that a row takes milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fdvd.faces.detection import FaceDetector
from gan_mapping.editing.editor import FaceEditor
from gan_mapping.editing.refinement import Refiner
from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from gan_mapping.superres.mapper import LevelMapper, PixelMapper
from gan_mapping.superres.pixels import LEVELS
from gan_mapping.superres.preview import PreviewHead
from vl_backbone.backbones.protocol import TextFeatures, TokenBatch, VideoFeatures

SIDE, W_DIM, NUM_WS, STATE, WORDS = 64, 8, 3, 6, 50


class TinyGenerator(nn.Module):
    """w+ -> a smooth 64 px picture, by one random linear map. Has the Generator protocol."""

    name = "tiny"
    z_dim = w_dim = W_DIM
    exact_drafts = True
    num_ws = NUM_WS
    resolution = SIDE

    def __init__(self) -> None:
        super().__init__()
        self.w_mean = torch.zeros(W_DIM)
        self.weights = {"tiny": "0" * 64}
        self.draw = nn.Linear(NUM_WS * W_DIM, 3 * 8 * 8)

    def mapping(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> Tensor:
        return (truncation_psi * z)[:, None].expand(-1, NUM_WS, -1).contiguous()

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        small = self.draw(ws.flatten(1)).view(-1, 3, 8, 8).tanh()
        return F.interpolate(small, size=SIDE, mode="bilinear")

    @torch.no_grad()
    def render(self, ws: Tensor) -> Tensor:
        return self.synthesis(ws)

    draft = render


class TinyBackbone(nn.Module):
    """Has the Backbone protocol: pooled pixels as features, one random state per word."""

    name = "tiny"
    image_size = 16

    def __init__(self) -> None:
        super().__init__()
        self.weights = {"tiny-backbone": "1" * 64}
        self.words = nn.Embedding(WORDS, STATE)

    def encode_video(self, hr: Tensor, lr: Tensor | None = None) -> VideoFeatures:
        grid = F.adaptive_avg_pool2d(hr[:, 0], 2).permute(0, 2, 3, 1)[:, None] / 255
        return VideoFeatures(grid, F.normalize(grid.flatten(1), dim=1))

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        ids = [[1, *(2 + sum(word.encode()) % (WORDS - 2) for word in text.split()), 0] for text in texts]
        return TokenBatch(torch.tensor(ids), torch.ones(len(ids), len(ids[0]), dtype=torch.long))

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        tokens = self.words(input_ids)
        return TextFeatures(tokens, attention_mask, F.normalize(tokens.mean(1), dim=1))


class TinyIdentity:
    """Mean colour as a vector."""

    def describe(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) / 255


class TinyLook:
    """The picture itself as its features."""

    def features(self, images: Tensor) -> list[Tensor]:
        return [images / 255]


class NoFaces:
    """A detector for pictures of noise: it never finds a face."""

    def detect(self, image: object) -> list[object]:
        return []


def tiny_editor() -> FaceEditor:
    """The same editor each time; rows of the task edit must be aligned (there is no detector to speak of)."""
    torch.manual_seed(7)
    generator, backbone, identity = TinyGenerator(), TinyBackbone(), TinyIdentity()
    text = TextMapper(STATE, 2)
    nn.init.constant_(text.presence.bias, 1.0)
    offset = OffsetMapper(2, NUM_WS, W_DIM)
    offset.directions.normal_()
    mappers = Mappers(VisionMapper(12, 4, W_DIM), text, offset, ("smile", "glasses"), "tiny", "tiny", {})
    device = torch.device("cpu")
    for network in (generator, backbone):
        network.requires_grad_(False)
    return FaceEditor(
        backbone,
        generator,
        mappers.to(device),
        cast(FaceDetector, NoFaces()),
        identity,
        Refiner(generator, TinyLook(), identity, device),
        preset="mini",
        refine_steps=0,
        weights={**generator.weights, **backbone.weights},
        device=device,
        pixel_mapper=PixelMapper({level: LevelMapper(level, 4, W_DIM, 3) for level in LEVELS}, PreviewHead()),
    )
