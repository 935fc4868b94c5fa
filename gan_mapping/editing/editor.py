"""FaceEditor: photo + sentence -> edited photo. Composes detector, backbone, mappers, generator and refinement.

Knows nothing of files or the web: photos come in as arrays and leave as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import FaceDetector
from gan_mapping.editing.closed_loop import EditOffset, Observation, closed_loop_offset
from gan_mapping.editing.encoding import Seen, read_latent
from gan_mapping.editing.refinement import Progress, Refiner
from gan_mapping.editing.requests import check_strength, check_text, choose_faces
from gan_mapping.editing.results import EditResult, GeneratedFace, StageTimer
from gan_mapping.editing.session import EditSession
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import halved, to_batch, to_uint8
from gan_mapping.mappers.files import Mappers
from gan_mapping.perception.networks import IdentityNetwork
from gan_mapping.superres.mapper import PixelMapper
from gan_mapping.superres.resolver import ResolverConfig
from gan_mapping.superres.results import SuperResolution
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.errors import InputError


class FaceEditor:
    """The friendly face of the package: `edit` a photo, or `generate` faces, by a sentence."""

    def __init__(
        self,
        backbone: Backbone,
        generator: Generator,
        mappers: Mappers,
        detector: FaceDetector,
        identity: IdentityNetwork,
        refiner: Refiner,
        *,
        preset: str,
        refine_steps: int,
        weights: dict[str, str],
        device: torch.device,
        pixel_mapper: PixelMapper | None = None,
    ) -> None:
        self.backbone = backbone
        self.generator = generator
        self.mappers = mappers
        self.detector = detector
        self.identity = identity
        self.refiner = refiner
        self.preset = preset
        self.refine_steps = refine_steps
        self.weights = weights
        self.device = device
        self.pixel_mapper = pixel_mapper

    @classmethod
    def from_preset(cls, name: str = "mini", device: str = "auto", generator: str | None = None) -> FaceEditor:
        """An editor of that preset. device: "auto" (a GPU when there is one), "cpu", "cuda", "cuda:1", ...

        generator: another one than the preset's, by name or file; its W must be the one the mappers know.
        Raises WeightsError when a weight file is missing or corrupt, UsageError for an unknown preset or device.
        """
        from gan_mapping.editing.loading import load_editor

        return load_editor(name, device, generator)

    def edit(
        self,
        image: np.ndarray,
        text: str,
        strength: float = 1.0,
        *,
        refine: int | None = None,
        face: str | int = "largest",
        aligned: bool = False,
        progress: Progress | None = None,
    ) -> EditResult:
        """Edit the faces of a photo.

        image: uint8 [H, W, 3] RGB, upright. text: the wish. strength: 0 leaves the photo bit for bit, 1 is
        the full wish, negative values do the opposite. refine: optimisation steps per face (None: the
        preset's default). face: "largest", "all" or an index (0 is the largest). aligned: the picture is
        already an FFHQ-aligned face, skip detection. progress: called as (step, steps) while refining.

        Raises InputError for a bad text, strength or image, or when no face is found.
        """
        check_text(text)
        check_strength(strength)
        session = EditSession(self, image, face, refine, aligned=aligned, progress=progress)
        return session.apply(text, strength)

    def super_resolve(
        self,
        image: np.ndarray,
        text: str | None = None,
        *,
        strength: float = 1.0,
        samples: int = 1,
        seed: int = 0,
        face: str | int = "largest",
        aligned: bool = False,
        config: ResolverConfig | None = None,
    ) -> SuperResolution:
        """A face of 8 to 256 px a side as a full-size face (HD-VILA, section 5.4), its hidden parts as the text says.

        image: uint8 [H, W, 3] RGB; of 64 px or less a side, or aligned: a face already, else one is looked for.
        text: what the pixels do not show, or None; strength: how much of it. samples: different answers that fit
        the same pixels; seed chooses them. face: "largest" or an index. config: how hard to fit the pixels.

        Without a pixel mapper for the generator the vision mapper gives the first guess, and a note says so.
        Raises InputError for an unusable image, text or number.
        """
        from gan_mapping.superres.faces import super_resolve

        return super_resolve(
            self, image, text, strength=strength, samples=samples, seed=seed, face=face, aligned=aligned, config=config
        )

    def generate(self, text: str, n: int = 4, seed: int = 0, truncation_psi: float = 0.75) -> list[GeneratedFace]:
        """n faces that fit the sentence; face i comes from the latent of seed + i, moved as the text says."""
        check_text(text)
        if not 1 <= n <= 1000:
            raise InputError(f"n must be between 1 and 1000, got {n}.")
        if seed < 0:
            raise InputError(f"seed must be 0 or more, got {seed}.")
        intents = self.read(text)
        faces = []
        for s in range(seed, seed + n):
            ws = self.sample(s, truncation_psi)
            aimed, picture = self.aim(ws, intents)
            moved = ws + aimed.offset
            faces.append(GeneratedFace(self.draw(moved) if picture is None else picture, moved[0], s))
        return faces

    @torch.no_grad()
    def sample(self, seed: int, truncation_psi: float = 0.75) -> Tensor:
        """The latent of a seed, [1, num_ws, w_dim]."""
        z = np.random.default_rng(seed).standard_normal(self.generator.z_dim).astype(np.float32)
        return self.generator.mapping(torch.from_numpy(z)[None].to(self.device), truncation_psi=truncation_psi)

    def find_faces(
        self, image: np.ndarray, face: str | int = "largest", aligned: bool = False
    ) -> list[tuple[int, FaceFrame]]:
        """(index, frame) of the chosen faces, largest first; see `edit` for the arguments."""
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
    def draw(self, ws: Tensor) -> np.ndarray:
        """The face of a latent [1, num_ws, w_dim], uint8 [R, R, 3]."""
        picture: np.ndarray = to_uint8(self.generator.render(ws))[0]
        return picture

    @torch.no_grad()
    def encode(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Aligned crops, each uint8 [R, R, 3] -> ws [B, num_ws, w_dim] by the linear vision mapper."""
        latents: Tensor = self.mappers.vision(self._features(crops), self.generator.num_ws)
        return latents

    def _features(self, pictures: Sequence[np.ndarray]) -> Tensor:
        side, full = self.backbone.image_size, self.generator.resolution
        if full >= 2 * side:
            # So the faces were stored that the mappers were fitted on, and so drafts are drawn.
            pictures = [halved(one) if len(one) == full else one for one in pictures]
        frames = to_batch(pictures, side, self.device)
        return self.backbone.encode_video(frames[:, None]).still()

    @torch.no_grad()
    def aim(self, ws: Tensor, intents: Tensor, drawn: np.ndarray | None = None) -> tuple[EditOffset, np.ndarray | None]:
        """What the intents [1, A] do to the face ws [1, num_ws, w_dim] at strength 1.

        -> the offset, and uint8 [R, R, 3], the render of ws + offset, if one was made. The edit is tried out and its
        steps mended by what is seen (`closed_loop_offset`), where the mappers can look. drawn: such a render of ws
        itself, when it is there already.
        """
        mappers = self.mappers
        pictures: list[np.ndarray] = []

        def look(offset: Tensor) -> Observation:
            pictures.append(self._draft(ws + offset))
            return self.see(pictures[-1], ws + offset)

        if mappers.reader is None or not bool((intents * (1 - mappers.offset.relative)).any()):
            offset = mappers.offset(ws, intents)
            return EditOffset(offset, torch.zeros_like(offset), -1), None
        before = self.see(self._draft(ws) if drawn is None else drawn, ws)
        aimed = closed_loop_offset(
            mappers.offset,
            ws,
            intents,
            before,
            look,
            reference_residual=mappers.vision_error,
            excludes=mappers.excludes,
        )
        return aimed, pictures[aimed.look] if self.generator.exact_drafts else None

    @torch.no_grad()
    def see(self, picture: np.ndarray, ws: Tensor) -> Observation:
        """What an aligned face, uint8 [R, R, 3], that was drawn from ws [1, num_ws, w_dim] shows.

        Raises ValueError for mappers without a reader.
        """
        if self.mappers.reader is None:
            raise ValueError(f"the mappers for {self.mappers.backbone} have no attribute reader")
        features = self._features([picture])
        latent_residual = (self.mappers.vision(features, 1)[0, 0] - ws[0].mean(dim=0)).norm()
        return Observation(self.mappers.reader(features)[0], latent_residual)

    @torch.no_grad()
    def recognise(self, picture: np.ndarray) -> Seen:
        """What the layers that read latents see in an aligned face, uint8 [R, R, 3]."""
        codes = self.mappers.vision.codes(self._features([picture]))
        described = self.mappers.correction is not None
        return Seen(codes, self.describe_identity([picture]) if described else codes.new_zeros(1, 0))

    def invert(
        self, crop: np.ndarray, steps: int = 0, timer: StageTimer | None = None, progress: Progress | None = None
    ) -> Tensor:
        """An aligned crop uint8 [R, R, 3] -> ws [1, num_ws, w_dim], refined over `steps` steps."""
        timer = timer or StageTimer()
        mappers = self.mappers

        def look(ws: Tensor) -> Seen:
            return self.recognise(self._draft(ws))

        with timer.stage("encode"):
            ws = read_latent(self.recognise(crop), look, mappers.vision, mappers.correction, self.generator.num_ws)
        with timer.stage("refine"):
            return self.refiner.refine(ws, crop, steps, progress) if steps else ws

    def _draft(self, ws: Tensor) -> np.ndarray:
        picture: np.ndarray = to_uint8(self.generator.draft(ws))[0]
        return picture

    @torch.no_grad()
    def describe_identity(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Aligned crops uint8 [R, R, 3] -> identity vectors [B, E]."""
        return torch.cat([self.identity.describe(to_batch([crop], None, self.device)) for crop in crops])
