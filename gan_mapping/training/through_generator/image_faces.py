"""The faces of mapper training: any data sets behind one door, split into training and held-out ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fdvd.attributes.table import HELD_OUT_SEEDS
from fdvd.datasets.dataset import Clip, ClipDataset
from fdvd.datasets.packed import MANIFEST, SETTINGS
from fdvd.datasets.sources import open_dataset, read_manifest
from gan_mapping.generators.protocol import Generator
from gan_mapping.training.augment import augment_face
from gan_mapping.training.closed_form.stages import digest_of
from gan_mapping.training.rendered_set import (
    SHARD,
    STORED_SIZE,
    FaceSeed,
    latents_of,
    plan_faces,
    render_shards,
    save_array,
)
from gan_mapping.training.through_generator.drawing import scaled
from gan_mapping.training.through_generator.image_config import FacesConfig
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.errors import InputError, UsageError

HELD_OUT_SPLITS = ("heldout", "val", "test")
# Of a folder without a split, one face in so many is held out, chosen by its name.
HELD_OUT_SHARE = 20
PSI = 0.75


@dataclass(frozen=True)
class Face:
    """picture: uint8 [3, 512, 512] RGB. view: float [3, s, s] what the backbone sees, or grid: what it saw, fp16 [F].

    latent: w [w_dim] of the generator in use, where known. captions: any number of sentences.
    """

    picture: Tensor
    view: Tensor | None
    grid: Tensor | None
    latent: Tensor | None
    captions: tuple[str, ...]


class FaceSet:
    """Some clips of some data sets, each as the still in its middle; faces are numbered through.

    grids: file of cached features (`cache_grids`), row by row. augment: side of the damaged views to make instead.
    """

    def __init__(self, clips: Sequence[tuple[ClipDataset, int, bool]]) -> None:
        self._clips = tuple(clips)
        self.grids: list[Path] = []
        self.augment: int | None = None

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def ids(self) -> list[str]:
        """A name for every face."""
        return [dataset.clips[row].id for dataset, row, _ in self._clips]

    @property
    def captioned(self) -> bool:
        """Whether every face has a caption."""
        return all(dataset.clips[row].captions for dataset, row, _ in self._clips)

    def still(self, index: int) -> tuple[Tensor, Tensor | None, tuple[str, ...]]:
        """-> picture uint8 [3, 512, 512], latent w [w_dim] or None, captions."""
        dataset, row, latents_fit = self._clips[index]
        sample = dataset[row]
        latent = sample.latent[len(sample.latent) // 2] if latents_fit and sample.latent is not None else None
        picture = sample.hr[len(sample.hr) // 2]
        if picture.shape[-2:] != (STORED_SIZE, STORED_SIZE):
            raise InputError(f"clip {sample.id} is {picture.shape[-1]} px wide, not {STORED_SIZE}; build it again")
        return picture, latent, sample.captions

    def __getitem__(self, index: int) -> Face:
        picture, latent, captions = self.still(index)
        if self.augment is None:
            shard = np.load(self.grids[index // SHARD], mmap_mode="r")
            grid = torch.from_numpy(np.array(shard[index % SHARD]))
            return Face(picture, None, grid, latent, captions)
        # numpy's global generator is seeded for each sample of a run.
        rng = np.random.default_rng(np.random.randint(2**31))
        seen = augment_face(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()), self.augment, rng)
        return Face(picture, torch.from_numpy(seen.copy()).permute(2, 0, 1), None, latent, captions)


def open_faces(config: FacesConfig, generator: Generator, cache: Path) -> tuple[FaceSet, FaceSet]:
    """-> training faces and the held-out ones that are looked at (config.held_out_faces, evenly from all sources).

    Faces of the generator itself are drawn into `cache`; seeds 1600-1999 are held out, whichever folder has them.
    UsageError when a folder holds no faces, or none are left to train on.
    """
    train: list[tuple[ClipDataset, int, bool]] = []
    held: list[list[tuple[ClipDataset, int, bool]]] = []
    for folder in config.folders:
        dataset = open_dataset(folder, size=STORED_SIZE)
        fits = _latents_fit(folder, generator)
        rows, others = _split(dataset, folder)
        train += [(dataset, row, fits) for row in rows]
        held.append([(dataset, row, fits) for row in others])
    if config.drawn:
        for seeds, target in ((plan_faces([], config.drawn), train), (_judged(config.held_out_faces), None)):
            drawn = DrawnFaces(seeds, generator, cache / "faces")
            found: list[tuple[ClipDataset, int, bool]] = [(drawn, row, True) for row in range(len(drawn))]
            held.append(found) if target is None else target.extend(found)
    if not train:
        raise UsageError("No faces are left to train on.")
    share = -(-config.held_out_faces // len(held))
    chosen = [face for faces in held for face in faces[:: max(1, len(faces) // share)][:share]]
    if not chosen:
        raise UsageError("No face is held out, so that nothing would tell whether training helps; add faces.")
    return FaceSet(train), FaceSet(chosen[: config.held_out_faces])


class DrawnFaces(ClipDataset):
    """Faces of the generator itself, drawn once into `folder` (resumable); their latents are known exactly."""

    def __init__(self, seeds: Sequence[FaceSeed], generator: Generator, folder: Path) -> None:
        self._latents = latents_of(seeds, generator)
        self._shards = list(render_shards(self._latents, generator, folder))
        super().__init__([Clip(f"seed-{face.seed}", None, ()) for face in seeds])

    def pictures(self, index: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        shard = np.load(self._shards[index // SHARD], mmap_mode="r")
        picture = torch.from_numpy(np.array(shard[index % SHARD])).permute(2, 0, 1).contiguous()
        return picture[None], None, self._latents[index][None]


@torch.no_grad()
def cache_grids(faces: FaceSet, backbone: Backbone, folder: Path) -> None:
    """Computes every face's frozen features once, in shards of 500 below `folder`, and lets `faces` read them.

    A face that cannot be read gets zeros; it will be left out when it is asked for.
    """
    place = folder / f"grids-{digest_of([backbone.weights, faces.ids])}"
    place.mkdir(parents=True, exist_ok=True)
    faces.grids = []
    for first in range(0, len(faces), SHARD):
        path = place / f"{first // SHARD:05d}.npy"
        if not path.exists():
            rows = [_grid(faces, index, backbone) for index in range(first, min(first + SHARD, len(faces)))]
            width = next((len(row) for row in rows if row is not None), 1)
            save_array(path, np.stack([np.zeros(width, np.float16) if row is None else row for row in rows]))
        faces.grids.append(path)


def _grid(faces: FaceSet, index: int, backbone: Backbone) -> np.ndarray | None:
    try:
        picture, _, _ = faces.still(index)
    except InputError:
        return None
    return seen(picture[None].float(), backbone)[0].half().cpu().numpy()


def seen(pictures: Tensor, backbone: Backbone) -> Tensor:
    """pictures [B, 3, R, R] RGB in about 0..255 -> the backbone's features [B, F]; differentiable."""
    frames = scaled(pictures, backbone.image_size).clamp(0, 255)
    return backbone.encode_video(frames[:, None]).still()


def _split(dataset: ClipDataset, folder: Path) -> tuple[list[int], list[int]]:
    """Rows to train on and rows to look at; a folder without lists is split by the faces' names."""
    splits = {clip.split for clip in dataset.clips}
    if splits == {None}:
        held = [row for row, clip in enumerate(dataset.clips) if _number(clip.id) % HELD_OUT_SHARE == 0]
        held = held or ([len(dataset) - 1] if len(dataset) > 1 else [])
        return sorted(set(range(len(dataset))) - set(held)), held
    judged = {f"{row['id']}" for row in _rows(folder) if row.get("seed") in HELD_OUT_SEEDS}
    train = [row for row, clip in enumerate(dataset.clips) if clip.split == "train" and clip.id not in judged]
    name = next((name for name in HELD_OUT_SPLITS if name in splits), None)
    return train, [row for row, clip in enumerate(dataset.clips) if name and clip.split == name]


def _rows(folder: Path) -> list[dict[str, object]]:
    return read_manifest(folder / MANIFEST) if (folder / SETTINGS).is_file() else []


def _latents_fit(folder: Path, generator: Generator) -> bool:
    """Whether the folder's latents are of this generator (by the sha256 of its weights)."""
    try:
        weights = json.loads((folder / SETTINGS).read_text(encoding="utf-8")).get("weights", {})
    except (OSError, ValueError, AttributeError):
        return False
    return bool(set(weights.values()) & set(generator.weights.values()))


def _judged(count: int) -> list[FaceSeed]:
    step = max(1, len(HELD_OUT_SEEDS) // count)
    return [FaceSeed(seed, PSI) for seed in HELD_OUT_SEEDS[::step][:count]]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
