"""The stand-in that tests share: a FaceModel of the project's own classes whose parts take milliseconds.

Its world is linear. A picture is grey plus a sum of smooth patterns, one per number of w; the first one is brightness.
The backbone sees a picture as 8x8 colors, from which the vision mapper reads w back as well as least squares can. It
reads sentences word by word, and a word that is the name of an attribute, or of a kind of hair, is a wish for it:
"smile" makes a face brighter, every other attribute moves it along a direction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fdvd.attributes.table import ATTRIBUTES
from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import DetectedFace
from gan_mapping import FaceEditor
from gan_mapping.editing.face_model import FaceModel, FaceParts, FaceSettings
from gan_mapping.editing.refinement import Refiner
from gan_mapping.editing.requests import choose_faces
from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper, TextMapper, VisionMapper
from vl_backbone.backbones.protocol import TextFeatures, TokenBatch, VideoFeatures
from vl_backbone.common.errors import InputError

SIDE, W_DIM, NUM_WS = 64, 16, 3
CPU = torch.device("cpu")
DEGREE = 0.5  # of every wish
CELLS = 8
_OTHER_WORDS = 64
_NAMES = [name.removesuffix("_hair") for name in ATTRIBUTES]
_STATE = 1 + len(ATTRIBUTES) + _OTHER_WORDS  # the closing token, a word per attribute, all others


class StandinGenerator:
    """w+ -> a picture around grey, linear in the mean of w's rows; counts the pictures that it draws.

    Has the Generator protocol. contrast: how strong the patterns are, in -1..1.
    """

    name = "standin"
    exact_drafts = True
    preview_sides: tuple[int, ...] = ()
    num_ws = NUM_WS

    def __init__(self, side: int = SIDE, w_dim: int = W_DIM, contrast: float = 0.12) -> None:
        self.resolution = side
        self.z_dim = self.w_dim = w_dim
        self.w_mean = torch.zeros(w_dim)
        self.weights = {"standin": "0" * 64}
        self.patterns = contrast * torch.randn(w_dim, 3, 8, 8, generator=torch.Generator().manual_seed(5))
        self.patterns[0] = 0.5
        self.drawn = 0

    def mapping(
        self, z: Tensor, c: Tensor | None = None, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> Tensor:
        return (truncation_psi * z)[:, None].expand(-1, self.num_ws, -1).contiguous()

    def preview(self, ws: Tensor, side: int) -> Tensor:
        raise AssertionError("nobody may ask for a preview of a side that is not offered")

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        small = torch.einsum("bw,wchx->bchx", ws.mean(1), self.patterns)
        return F.interpolate(small, size=self.resolution, mode="bilinear")

    @torch.no_grad()
    def render(self, ws: Tensor) -> Tensor:
        self.drawn += len(ws)
        return self.synthesis(ws)

    draft = render


class StandinBackbone:
    """Sees 8x8 colors; reads words. Has the Backbone protocol."""

    name = "standin"
    image_size = 32

    def __init__(self) -> None:
        self.weights = {"standin-backbone": "1" * 64}

    def encode_video(self, hr: Tensor, lr: Tensor | None = None) -> VideoFeatures:
        grid = F.adaptive_avg_pool2d(hr[:, 0], CELLS).permute(0, 2, 3, 1)[:, None] / 127.5 - 1
        return VideoFeatures(grid, F.normalize(grid.flatten(1), dim=1))

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        rows = [[*map(_word, text.split()), 0] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return TokenBatch(ids, mask)

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TextFeatures:
        tokens = F.one_hot(input_ids, _STATE).float()
        return TextFeatures(tokens, attention_mask, F.normalize(tokens.sum(1), dim=1))


class StandinIdentity:
    """A person is the mean color. Has the IdentityNetwork protocol."""

    def describe(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) / 255


class StandinPerceptual:
    """The picture itself as its features. Has the PerceptualNetwork protocol."""

    def features(self, images: Tensor) -> list[Tensor]:
        return [images / 255]


class NoDetector:
    """Never finds a face; `StandinModel` decides for itself which faces a photo has."""

    def detect(self, image: np.ndarray) -> list[DetectedFace]:
        return []


class StandinModel(FaceModel):
    """A FaceModel that takes every photo as `faces` aligned faces, and counts what is slow with a real one.

    faces: 0 for photos without a face, unless the caller says that they are aligned. A photo of one value has none
    either where `plain_faces` is False.
    """

    faces = 1
    plain_faces = True
    detections = 0
    inversions = 0

    def find_faces(
        self, image: np.ndarray, face: str | int = "largest", aligned: bool = False
    ) -> list[tuple[int, FaceFrame]]:
        if aligned:
            return super().find_faces(image, face, aligned=True)
        self.detections += 1
        if not self.faces or (image.std() == 0 and not self.plain_faces):
            raise InputError("No face was found. Use another photo, or pass --aligned.")
        frame = FaceFrame.from_aligned(image, self.generator.resolution)
        return [(i, frame) for i in choose_faces(face, self.faces)]

    def invert(self, *arguments: Any, **settings: Any) -> Tensor:
        self.inversions += 1
        return super().invert(*arguments, **settings)


def standin_mappers(generator: StandinGenerator, backbone: StandinBackbone) -> Mappers:
    """Mappers that read latents and sentences as the module says; they have no attribute reader."""
    text = TextMapper(_STATE, len(ATTRIBUTES)).requires_grad_(False)
    for layer in (text.presence, text.degree):
        layer.weight.zero_()
    text.presence.bias.fill_(-10.0)
    text.degree.bias.fill_(DEGREE)
    for place, name in enumerate(_NAMES):
        text.presence.weight[place, _word(name)] = 20.0
    offset = OffsetMapper(len(ATTRIBUTES), generator.num_ws, generator.w_dim)
    source = torch.Generator().manual_seed(2)
    offset.directions.copy_(torch.randn(offset.directions.shape, generator=source))
    smile = offset.directions[ATTRIBUTES.index("smile")]
    smile.zero_()[:, 0] = 2.0
    vision = _vision(generator, backbone)
    return Mappers(vision, text, offset, ATTRIBUTES, backbone.name, generator.name, {"faces": 0}).to(CPU)


def standin_model(
    *,
    side: int = SIDE,
    faces: int = 1,
    plain_faces: bool = True,
    refine_steps: int = 0,
    identity: Any = None,
    perceptual: Any = None,
    pixel_mapper: Any = None,
) -> StandinModel:
    """The same model every time. side: of its pictures; the networks that compare pictures may be real ones."""
    generator, backbone = StandinGenerator(side), StandinBackbone()
    identity, perceptual = identity or StandinIdentity(), perceptual or StandinPerceptual()
    parts = FaceParts(
        backbone,
        generator,
        standin_mappers(generator, backbone),
        NoDetector(),  # type: ignore[arg-type]
        identity,
        Refiner(generator, perceptual, identity, CPU),
        pixel_mapper,
    )
    model = StandinModel(parts, FaceSettings("mini", CPU, refine_steps, {**generator.weights, **backbone.weights}))
    model.faces, model.plain_faces = faces, plain_faces
    return model


def standin_editor(**settings: Any) -> FaceEditor:
    """A FaceEditor on `standin_model`, which has the settings."""
    return FaceEditor(standin_model(**settings))


def _word(word: str) -> int:
    """The id of a word: 1 + the attribute's number for "smile" or "blond" (of blond_hair); 0 is the closing token."""
    if word in _NAMES:
        return 1 + _NAMES.index(word)
    return 1 + len(ATTRIBUTES) + sum(word.encode("utf-8", "replace")) % _OTHER_WORDS


@torch.no_grad()
def _vision(generator: StandinGenerator, backbone: StandinBackbone) -> VisionMapper:
    """The least-squares answer to "which w was this drawn from?"."""
    w_dim = generator.w_dim
    ws = torch.cat([torch.zeros(1, w_dim), torch.eye(w_dim)])[:, None].expand(-1, generator.num_ws, -1)
    frames = (F.interpolate(generator.synthesis(ws), size=backbone.image_size, mode="area") + 1) * 127.5
    features = backbone.encode_video(frames[:, None]).still()
    vision = VisionMapper(features.shape[1], w_dim, w_dim)
    vision.down.weight.copy_(torch.linalg.pinv((features[1:] - features[0]).T))
    vision.up.weight.copy_(torch.eye(w_dim))
    vision.up.bias.copy_(-vision.down.weight @ features[0])
    return vision
