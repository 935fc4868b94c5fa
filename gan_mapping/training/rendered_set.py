"""The face bank: pictures redrawn from seeds, and the frozen features of several views of each. Resumable.

Both are written in shards of 500 faces, each atomically, so an interrupted run goes on at the next shard. A shard's
name holds a digest of what it was made from: other faces or weights in the same folder make new shards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_batch, to_levels
from gan_mapping.perception.networks import IdentityNetwork
from gan_mapping.training.augment import augment_face
from gan_mapping.training.closed_form.stages import digest_of, fingerprint
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.weights.files import partial_file

SHARD = 500
STORED_SIZE = 512
BATCH = 16


@dataclass(frozen=True)
class FaceSeed:
    """A face by its seed and truncation: w = w_mean + psi * (mapping(z(seed)) - w_mean)."""

    seed: int
    truncation_psi: float


def plan_faces(labelled: Sequence[int], extra: int, first_extra: int = 100_000) -> list[FaceSeed]:
    """The labelled seeds as they were labelled (psi .75), then `extra` more, half of them with psi in .55..0.95."""
    faces = [FaceSeed(seed, 0.75) for seed in labelled]
    for seed in range(first_extra, first_extra + extra):
        psi = 0.75 if seed % 2 == 0 else float(np.random.default_rng(seed + 7).uniform(0.55, 0.95))
        faces.append(FaceSeed(seed, psi))
    return faces


@torch.no_grad()
def latents_of(faces: Sequence[FaceSeed], generator: Generator) -> Tensor:
    """-> w [N, w_dim] on the CPU."""
    rows = []
    for face in faces:
        z = np.random.default_rng(face.seed).standard_normal(generator.z_dim).astype(np.float32)
        rows.append(generator.mapping(torch.from_numpy(z)[None], truncation_psi=face.truncation_psi)[0, 0].cpu())
    return torch.stack(rows)


def render_shards(latents: Tensor, generator: Generator, folder: Path) -> Iterator[Path]:
    """Draws every face at 512 px into folder/faces-000-DIGEST.npy, ... (uint8 [n, 512, 512, 3]); yields these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, rows in enumerate(latents.split(SHARD)):
        path = folder / f"faces-{index:03d}-{digest_of([fingerprint(rows), generator.weights])}.npy"
        if not path.exists():
            pictures = np.empty((len(rows), STORED_SIZE, STORED_SIZE, 3), np.uint8)
            for i, w in enumerate(rows):
                image = generator.draft(w.expand(1, generator.num_ws, -1))
                small = F.interpolate(image, size=STORED_SIZE, mode="area")[0]
                scaled = to_levels(small.clamp(-1, 1))
                pictures[i] = scaled.round().byte().permute(1, 2, 0).cpu().numpy()
            save_array(path, pictures)
        yield path


def feature_shards(pictures: Sequence[Path], backbone: Backbone, folder: Path, view: int) -> Iterator[Path]:
    """Frozen features of one view of every face (view 0 clean, others augmented): fp16 [n, features] per shard."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, source in enumerate(pictures):
        path = folder / f"features-{view}-{index:03d}-{digest_of([source.name, backbone.weights])}.npy"
        if not path.exists():
            faces = np.load(source, mmap_mode="r")
            parts = []
            for start in range(0, len(faces), BATCH):
                batch = [
                    _view(faces, index, row, view, backbone.image_size)
                    for row in range(start, min(start + BATCH, len(faces)))
                ]
                frames = to_batch(batch, backbone.image_size, torch.device("cpu"))
                with torch.inference_mode():
                    features = backbone.encode_video(frames[:, None]).still()
                parts.append(features.half().cpu().numpy())
            save_array(path, np.concatenate(parts))
        yield path


def identity_shards(
    pictures: Sequence[Path],
    identity: IdentityNetwork,
    weights: Mapping[str, str],
    size: int,
    views: int,
    folder: Path,
) -> Iterator[Path]:
    """The face network's vectors, float32 [n, E] per shard: of face i in view i % views, as `feature_shards` saw it.

    weights: the network's hashes; size: side in pixels of augmented views.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index, source in enumerate(pictures):
        key = digest_of([source.name, dict(weights), size, views])
        path = folder / f"identity-{index:03d}-{key}.npy"
        if not path.exists():
            faces = np.load(source, mmap_mode="r")
            rows = []
            for row in range(len(faces)):
                picture = _view(faces, index, row, (index * SHARD + row) % views, size)
                with torch.inference_mode():
                    rows.append(identity.describe(to_batch([picture], None, torch.device("cpu"))).numpy())
            save_array(path, np.concatenate(rows))
        yield path


def _view(faces: np.ndarray, shard: int, row: int, view: int, size: int) -> np.ndarray:
    face = np.array(faces[row])
    return augment_face(face, size, np.random.default_rng([shard, row, view])) if view else face


def load_shards(paths: Sequence[Path], rows: slice = slice(None)) -> Tensor:
    """Joins shards of features (fp16) or vectors (float32) -> [N, width].

    rows: only these of all joined, by numbers from the first row on (step 1); the others are not read.
    """
    first, parts = 0, []
    for path in paths:
        shard = np.load(path, mmap_mode="r")
        start, stop, _ = rows.indices(first + len(shard))
        parts.append(shard[max(0, start - first) : max(0, stop - first)])
        first += len(shard)
    return torch.from_numpy(np.concatenate(parts))


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an .npy file that is complete or not there at all."""
    with partial_file(path) as partial, partial.open("wb") as stream:
        np.save(stream, array)
