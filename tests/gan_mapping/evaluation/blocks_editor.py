"""A FaceEditor of tiny parts that draw, see and read in milliseconds; the networks that measure are the real ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fdvd.attributes.table import ATTRIBUTES
from gan_mapping import FaceEditor
from gan_mapping.editing.refinement import Refiner
from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from gan_mapping.perception.networks import load_identity, load_perceptual
from vl_backbone.backbones.protocol import TextFeatures, TokenBatch, VideoFeatures
from vl_backbone.common.errors import InputError
from vl_backbone.weights import WeightStore

SIDE, W_DIM, NUM_WS = 128, 16, 3
CPU = torch.device("cpu")


class TinyGenerator:
    """A picture is a sum of fixed smooth patterns."""

    name = "tiny"
    z_dim = w_dim = W_DIM
    num_ws = NUM_WS
    resolution = SIDE
    exact_drafts = True

    def __init__(self) -> None:
        self.weights = {"tiny": "0" * 64}
        noise = torch.randn(W_DIM, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        self.patterns = F.interpolate(noise, size=SIDE, mode="bilinear")
        self.w_mean = torch.zeros(W_DIM)
        self.drawn = 0

    def mapping(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> Tensor:
        return (z * truncation_psi)[:, None].repeat(1, NUM_WS, 1)

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        return torch.tanh(torch.einsum("bw,wchv->bchv", ws.mean(1), self.patterns) / 6)

    def render(self, ws: Tensor) -> Tensor:
        self.drawn += 1
        return self.synthesis(ws)

    draft = render


class TinyBackbone:
    """Sees 8x8 colours; reads letters."""

    name = "tiny"
    image_size = 32

    def __init__(self) -> None:
        self.weights = {"tiny-backbone": "1" * 64}

    def encode_video(self, hr: Tensor, lr: Tensor | None = None) -> VideoFeatures:
        grid = F.adaptive_avg_pool2d(hr[:, 0], 8).permute(0, 2, 3, 1)[:, None] / 128 - 1
        return VideoFeatures(grid, F.normalize(grid.flatten(1)[:, :32], dim=1))

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        ids = [[ord(letter) % 32 for letter in text[:20].ljust(20)] for text in texts]
        return TokenBatch(torch.tensor(ids), torch.ones(len(ids), 20, dtype=torch.long))

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        tokens = F.one_hot(input_ids, 32).float()
        return TextFeatures(tokens, attention_mask, F.normalize(tokens.sum(1), dim=1))


class OneFace:
    """Finds no face in a grey picture; `aligned` pictures need no detector."""

    def detect(self, image: object) -> list[object]:
        return []


class TinyEditor(FaceEditor):
    """Takes every photo as an aligned face, unless it is all of one colour."""

    def find_faces(self, image, face="largest", aligned=False):  # type: ignore[no-untyped-def]
        if image.std() == 0:
            raise InputError("No face was found.")
        return super().find_faces(image, face, aligned=True)


def tiny_editor() -> FaceEditor:
    """The same editor every time."""
    torch.manual_seed(0)
    generator, backbone = TinyGenerator(), TinyBackbone()
    vision, text = VisionMapper(8 * 8 * 3, 8, W_DIM), TextMapper(32, len(ATTRIBUTES))
    offset = OffsetMapper(len(ATTRIBUTES), NUM_WS, W_DIM)
    offset.directions.normal_()
    store = WeightStore()
    identity = load_identity("dlib-face-resnet", CPU, store)[0]
    perceptual = load_perceptual("efficientnet-lite0", CPU, store)[0]
    mappers = Mappers(vision, text, offset, ATTRIBUTES, "tiny", "tiny", {}).to(CPU)
    return TinyEditor(
        backbone,
        generator,
        mappers,
        OneFace(),  # type: ignore[arg-type]
        identity,
        Refiner(generator, perceptual, identity, CPU),
        preset="mini",
        refine_steps=2,
        weights={"tiny": "0" * 64},
        device=CPU,
    )
