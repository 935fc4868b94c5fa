"""The faces that are measured: held-out generated ones by their seeds, and real photos by their files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from torch import Tensor

from fdvd.attributes.table import HELD_OUT_SEEDS, load_labels
from fdvd.faces.alignment import FaceFrame
from fdvd.media.photos import load_photo
from gan_mapping.editing.closed_loop import Observation
from gan_mapping.editing.face_model import FaceModel
from vl_backbone.common.errors import UsageError
from vl_backbone.weights.files import sha256_of

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
TRUNCATION = 0.75  # as the held-out faces were labelled
FACES_FILE = Path(__file__).with_name("faces.yaml")


@dataclass(frozen=True)
class FaceSource:
    """A face to measure: the seed of a generated one, or the file of a real photo."""

    name: str
    seed: int | None = None
    path: Path | None = None

    @property
    def real(self) -> bool:
        """Whether it is a photo."""
        return self.path is not None

    def fingerprint(self) -> str:
        """Changes when the picture does."""
        return sha256_of(self.path) if self.path is not None else f"seed {self.seed} psi {TRUNCATION}"


@dataclass(frozen=True)
class StartedFace:
    """A face seen as a picture and written as a latent.

    crop, reconstruction: uint8 [R, R, 3]; ws: [1, num_ws, w_dim]; truth: the latent [w_dim] it was drawn from, or
    None; photo, frame: the whole photo uint8 [H, W, 3] and where the face lies in it, or None; observation: what the
    reconstruction shows, None where the mappers have no attribute reader.
    """

    source: FaceSource
    crop: np.ndarray
    ws: Tensor
    reconstruction: np.ndarray
    truth: Tensor | None = None
    photo: np.ndarray | None = None
    frame: FaceFrame | None = None
    observation: Observation | None = None


def held_out_faces(count: int) -> list[FaceSource]:
    """The first `count` of the held-out seeds in a fixed order, so that more faces never change the first ones.

    Every other face is picked, in turn, for having something that sentences remove (by the hand-made labels); the
    others are random. Without that a dozen faces hold hardly a pair of glasses to take off.
    """
    if not 0 <= count <= len(HELD_OUT_SEEDS):
        raise UsageError(f"There are {len(HELD_OUT_SEEDS)} held-out faces; asked for {count}.")
    labels = load_labels(rare=False)
    shuffled: list[int] = np.random.default_rng(0).permutation(np.array(HELD_OUT_SEEDS)).tolist()
    left = dict.fromkeys(shuffled)
    wanted = itertools.cycle(yaml.safe_load(FACES_FILE.read_text(encoding="utf-8"))["removable"])
    order: list[int] = []
    while len(order) < count:
        seed = next(iter(left))
        if len(order) % 2:
            name = next(wanted)
            seed = next((s for s in left if (labels[s][name] or 0.0) > 0.5), seed)
        del left[seed]
        order.append(seed)
    return [FaceSource(f"seed-{seed}", seed=seed) for seed in order]


def photo_faces(paths: Sequence[Path]) -> list[FaceSource]:
    """Files, and the pictures of folders, as sources; UsageError for what is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES)
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"--photos {path}: there is no such file or folder.")
    sources: dict[str, FaceSource] = {}
    for path in found:
        numbered = (f"{path.stem}-{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([path.stem], numbered) if name not in sources)
        sources[name] = FaceSource(name, path=path)
    return list(sources.values())


@dataclass(frozen=True)
class FaceChoice:
    """Which faces are taken, and how well photos are read back.

    faces: held-out generated faces; photos: files and folders of real ones; refine: refinement steps (None: the
    preset's). Raises UsageError for negative numbers, for no faces, and for what is not there.
    """

    faces: int
    photos: tuple[Path, ...] = ()
    refine: int | None = None

    def __post_init__(self) -> None:
        if min(self.faces, self.refine or 0) < 0:
            raise UsageError("The numbers of faces and steps must be 0 or more.")
        if self.faces == 0 and not self.photos:
            raise UsageError("There are no faces to work on: ask for --faces or --photos.")
        self.sources()

    def sources(self) -> list[FaceSource]:
        """The faces, generated ones first; UsageError for what is not there."""
        return [*held_out_faces(self.faces), *photo_faces(self.photos)]

    def refine_steps(self, model: FaceModel) -> int:
        """The steps of a refinement by that model."""
        return model.refine_steps if self.refine is None else self.refine

    def steps(self, model: FaceModel, source: FaceSource) -> int:
        """The steps before an edit: generated faces lie in W already, photos get the refinement a user gets."""
        return self.refine_steps(model) if source.real else 0


def start_face(model: FaceModel, source: FaceSource, refine: int = 0) -> StartedFace:
    """Draws or loads the face and reads it back from its picture, over `refine` steps. InputError without a face."""
    photo, frame, truth = None, None, None
    if source.path is not None:
        photo = load_photo(source.path).rgb
        frame = model.find_faces(photo)[0][1]
        crop = frame.crop(photo)
    else:
        assert source.seed is not None
        drawn = model.sample(source.seed, TRUNCATION)
        truth = drawn[0, 0]
        crop = model.draw(drawn)
    ws = model.invert(crop, refine)
    reconstruction = model.draw(ws)
    observation = model.observe(reconstruction, ws) if model.can_observe else None
    return StartedFace(source, crop, ws, reconstruction, truth, photo, frame, observation)
