"""FaceModel: the trained parts as one object, and the few operations on a face that everything else is made of.

Knows nothing of files, of photos' formats or of the web: pictures come in as arrays and leave as arrays. Sessions,
super-resolution, video and evaluation take a FaceModel; `FaceEditor` puts them together for users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import FaceDetector
from gan_mapping.editing.closed_loop import ClosedLoopConfig, EditOffset, Observation, closed_loop_offset
from gan_mapping.editing.encoding import Seen, read_latent
from gan_mapping.editing.refinement import Progress, Refiner
from gan_mapping.editing.requests import choose_faces
from gan_mapping.editing.results import StageTimer
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import halved, to_batch, to_uint8
from gan_mapping.mappers.files import Mappers
from gan_mapping.perception.networks import IdentityNetwork
from gan_mapping.superres.mapper import PixelMapper
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.errors import InputError


@dataclass(frozen=True)
class FaceParts:
    """The networks of a FaceModel, all on one device.

    backbone: reads pictures and sentences; mappers: the trained layers between its embeddings and the latents.
    generator: draws latents; detector: finds faces in photos; identity: the face network.
    refiner: improves a latent by optimization. pixel_mapper: a few pixels to a latent, None where none was fitted.
    """

    backbone: Backbone
    generator: Generator
    mappers: Mappers
    detector: FaceDetector
    identity: IdentityNetwork
    refiner: Refiner
    pixel_mapper: PixelMapper | None = None


@dataclass(frozen=True)
class FaceSettings:
    """What a FaceModel is and does by default.

    preset: its name. device: where the parts are. refine_steps: optimization steps of an inversion when nobody asks
    for another number. weights: sha256 of every file that was loaded, by name. closed_loop: how edits are tried out.
    """

    preset: str
    device: torch.device
    refine_steps: int
    weights: dict[str, str]
    closed_loop: ClosedLoopConfig = field(default_factory=ClosedLoopConfig)


class FaceModel:
    """Finds, reads, draws, compares and moves faces. Latents are w+, [1, num_ws, w_dim], on the model's device.

    The attributes are those of `FaceParts` and `FaceSettings`; a model with another part is
    `FaceModel(replace(model.parts, ...), model.settings)`.
    """

    def __init__(self, parts: FaceParts, settings: FaceSettings) -> None:
        self.parts: Final = parts
        self.settings: Final = settings
        self.backbone: Final = parts.backbone
        self.generator: Final = parts.generator
        self.mappers: Final = parts.mappers
        self.detector: Final = parts.detector
        self.identity: Final = parts.identity
        self.refiner: Final = parts.refiner
        self.pixel_mapper: Final = parts.pixel_mapper
        self.preset: Final = settings.preset
        self.device: Final = settings.device
        self.refine_steps: Final = settings.refine_steps
        self.weights: Final = settings.weights
        self.closed_loop: Final = settings.closed_loop

    def find_faces(
        self, image: np.ndarray, face: str | int = "largest", aligned: bool = False
    ) -> list[tuple[int, FaceFrame]]:
        """(index, frame) of the chosen faces of a photo uint8 [H, W, 3], largest first.

        face: "largest", "all" or an index (0 is the largest). aligned: the picture is an FFHQ-aligned face already.
        Raises InputError when there is no such face.
        """
        height, width = image.shape[:2]
        if aligned:
            return [(0, FaceFrame.from_aligned(image, self.generator.resolution))]
        found = self.detector.detect(image)
        if not found:
            raise InputError(
                "No face was found. Use a photo in which a face is clearly visible, or pass --aligned "
                "if the picture is an already aligned face."
            )
        frames = [FaceFrame.from_detection(d, (width, height), self.generator.resolution) for d in found]
        return [(i, frames[i]) for i in choose_faces(face, len(frames))]

    @torch.no_grad()
    def read(self, text: str) -> Tensor:
        """A sentence -> intents [1, A] in the order of `mappers.attributes`; all zero when nothing was understood."""
        batch = self.backbone.tokenize([text])
        features = self.backbone.encode_text(batch.input_ids, batch.attention_mask)
        return self.mappers.read(features.states(), features.attention_mask)

    @torch.no_grad()
    def sample(self, seed: int, truncation_psi: float = 0.75) -> Tensor:
        """The latent of a seed, [1, num_ws, w_dim]."""
        z = np.random.default_rng(seed).standard_normal(self.generator.z_dim).astype(np.float32)
        return self.generator.mapping(torch.from_numpy(z)[None].to(self.device), truncation_psi=truncation_psi)

    @torch.no_grad()
    def draw(self, ws: Tensor) -> np.ndarray:
        """The face of a latent [1, num_ws, w_dim], uint8 [R, R, 3]."""
        picture: np.ndarray = to_uint8(self.generator.render(ws))[0]
        return picture

    @torch.no_grad()
    def draft(self, ws: Tensor) -> np.ndarray:
        """The same to look at and throw away: faster and less exact where the generator can, maybe half the side."""
        picture: np.ndarray = to_uint8(self.generator.draft(ws))[0]
        return picture

    @torch.no_grad()
    def encode(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Aligned crops, each uint8 [R, R, 3] -> ws [B, num_ws, w_dim] by the linear vision mapper."""
        latents: Tensor = self.mappers.vision(self._features(crops), self.generator.num_ws)
        return latents

    @torch.no_grad()
    def describe_identity(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Aligned crops uint8 [R, R, 3] -> identity embeddings [B, E]."""
        return torch.cat([self.identity.describe(to_batch([crop], None, self.device)) for crop in crops])

    @torch.no_grad()
    def recognise(self, picture: np.ndarray) -> Seen:
        """What the layers that read latents see in an aligned face, uint8 [R, R, 3]."""
        codes = self.mappers.vision.codes(self._features([picture]))
        described = self.mappers.correction is not None
        return Seen(codes, self.describe_identity([picture]) if described else codes.new_zeros(1, 0))

    def invert(
        self,
        crop: np.ndarray,
        steps: int = 0,
        timer: StageTimer | None = None,
        progress: Progress | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        """An aligned crop uint8 [R, R, 3] -> ws [1, num_ws, w_dim], refined over `steps` steps.

        seen: what `recognise` said of the crop, where that is known already.
        """
        timer = timer or StageTimer()
        mappers = self.mappers

        def recognise(ws: Tensor) -> Seen:
            return self.recognise(self.draft(ws))

        with timer.stage("encode"):
            photo = self.recognise(crop) if seen is None else seen
            ws = read_latent(photo, recognise, mappers.vision, mappers.correction, self.generator.num_ws)
        with timer.stage("refine"):
            return self.refiner.refine(ws, crop, steps, progress) if steps else ws

    @property
    def can_observe(self) -> bool:
        """Whether the mappers have an attribute reader, without which no edit can be looked at."""
        return self.mappers.reader is not None

    @torch.no_grad()
    def observe(self, picture: np.ndarray, ws: Tensor) -> Observation:
        """What an aligned face, uint8 [R, R, 3], that was drawn from ws [1, num_ws, w_dim] shows.

        Raises ValueError for mappers without a reader.
        """
        if self.mappers.reader is None:
            raise ValueError(f"the mappers for {self.mappers.backbone} have no attribute reader")
        features = self._features([picture])
        latent_residual = (self.mappers.vision(features, 1)[0, 0] - ws[0].mean(dim=0)).norm()
        return Observation(self.mappers.reader(features)[0], latent_residual)

    @torch.no_grad()
    def edit_offset(
        self, ws: Tensor, intents: Tensor, before: Observation | None = None
    ) -> tuple[EditOffset, np.ndarray | None]:
        """What the intents [1, A] do to the face ws [1, num_ws, w_dim] at strength 1.

        -> the offset, and uint8 [R, R, 3], the render of ws + offset, if one was made. Where the mappers can observe,
        the edit is tried out and its steps are corrected by what the drawing shows (`closed_loop_offset`).
        before: what a render of ws itself shows, where that is known already.
        """
        mappers = self.mappers
        drafts: list[np.ndarray] = []

        def observe(offset: Tensor) -> Observation:
            drafts.append(self.draft(ws + offset))
            return self.observe(drafts[-1], ws + offset)

        goals = bool((intents * (1 - mappers.offset.relative)).any())
        keeps = self.closed_loop.restorations > 0 and bool(intents.any())
        if not self.can_observe or not (goals or keeps):
            return EditOffset.unobserved(mappers.offset(ws, intents)), None
        edit = closed_loop_offset(
            mappers.offset,
            ws,
            intents,
            self.observe(self.draft(ws), ws) if before is None else before,
            observe,
            self.closed_loop,
            reference_residual=mappers.vision_error,
            excludes=mappers.excludes,
            held=mappers.held,
        )
        return edit, drafts[edit.look] if self.generator.exact_drafts and edit.look >= 0 else None

    def _features(self, pictures: Sequence[np.ndarray]) -> Tensor:
        side, full = self.backbone.image_size, self.generator.resolution
        if full >= 2 * side:
            # So the faces were stored that the mappers were fitted on, and so drafts are drawn.
            pictures = [halved(one) if len(one) == full else one for one in pictures]
        frames = to_batch(pictures, side, self.device)
        return self.backbone.encode_video(frames[:, None]).still()
