"""FaceEditor: the package's front door. Photo + sentence -> edited photo; composes what works on a FaceModel."""

from __future__ import annotations

import numpy as np

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.loading import load_face_model
from gan_mapping.editing.refinement import Progress
from gan_mapping.editing.requests import check_strength, check_text
from gan_mapping.editing.results import EditResult, GeneratedFace
from gan_mapping.editing.session import EditSession
from gan_mapping.superres.faces import super_resolve
from gan_mapping.superres.resolver import ResolverConfig
from gan_mapping.superres.results import SuperResolution
from vl_backbone.common.errors import InputError


class FaceEditor:
    """Edits a photo, enlarges a small face, or makes faces, by a sentence.

    model: the networks, and the operations for whoever needs less than a whole task.
    """

    def __init__(self, model: FaceModel) -> None:
        self.model = model

    @classmethod
    def from_preset(cls, name: str = "mini", device: str = "auto", generator: str | None = None) -> FaceEditor:
        """An editor of that preset. device: "auto" (a GPU when there is one), "cpu", "cuda", "cuda:1", ...

        generator: another one than the preset's, by name or file; its W must be the one the mappers know.
        Raises WeightsError when a weight file is missing or corrupt, UsageError for an unknown preset or device.
        """
        return cls(load_face_model(name, device, generator))

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
        session = EditSession(self.model, image, face, refine, aligned=aligned, progress=progress)
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
        return super_resolve(
            self.model,
            image,
            text,
            strength=strength,
            samples=samples,
            seed=seed,
            face=face,
            aligned=aligned,
            config=config,
        )

    def generate(self, text: str, n: int = 4, seed: int = 0, truncation_psi: float = 0.75) -> list[GeneratedFace]:
        """n faces that fit the sentence; face i comes from the latent of seed + i, moved as the text says."""
        check_text(text)
        if not 1 <= n <= 1000:
            raise InputError(f"n must be between 1 and 1000, got {n}.")
        if seed < 0:
            raise InputError(f"seed must be 0 or more, got {seed}.")
        model = self.model
        intents = model.read(text)
        faces = []
        for s in range(seed, seed + n):
            ws = model.sample(s, truncation_psi)
            edit, picture = model.edit_offset(ws, intents)
            moved = ws + edit.offset
            faces.append(GeneratedFace(model.draw(moved) if picture is None else picture, moved[0], s))
        return faces
