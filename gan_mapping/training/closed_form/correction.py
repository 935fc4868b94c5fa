"""Fitting the CorrectionMapper: what codes and face vectors together say of w, and how far drawings are off anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_batch, to_uint8
from gan_mapping.mappers.layers import CorrectionMapper, VisionMapper
from gan_mapping.perception.networks import IdentityNetwork
from gan_mapping.training.closed_form.stages import fingerprint, kept, stage_file
from gan_mapping.training.rendered_set import SHARD, load_shards
from gan_mapping.training.ridge import ridge

# Relative to the mean squared code. Best of .03 to 1 on four photos; for drawn faces they are alike.
PENALTY = 0.3
# Drawn once more to see how far two face vectors are apart that mean the same face.
REDRAWN_FACES = 60


@dataclass(frozen=True)
class SeenBank:
    """The face bank as a recipe has it: files of pictures, features by view and face vectors, and w [N, w_dim].

    kept_aside: so many faces at its end are not fitted on.
    """

    pictures: Sequence[Path]
    features: Sequence[Sequence[Path]]
    persons: Sequence[Path]
    latents: Tensor
    kept_aside: int

    def picture(self, row: int) -> np.ndarray:
        """uint8 [S, S, 3]."""
        return np.array(np.load(self.pictures[row // SHARD], mmap_mode="r")[row % SHARD])


def correction_stage(
    bank: SeenBank, vision: VisionMapper, generator: Generator, identity: IdentityNetwork, work: Path
) -> CorrectionMapper:
    """The layer fitted on the bank, with its `usual` distance; kept in `work`."""
    persons, codes = load_shards(bank.persons), codes_in_turn(bank.features, vision)
    learnt, aside = slice(-bank.kept_aside), range(len(codes))[-bank.kept_aside :][:REDRAWN_FACES]

    def fit() -> dict[str, Tensor]:
        mapper = fit_correction(codes[learnt], persons[learnt], bank.latents[learnt])
        clean = load_shards(bank.features[0], slice(aside.start, aside.stop)).float()
        with torch.no_grad():
            guesses = vision(clean, 1)[:, 0]
        mapper.usual.fill_(usual_distance([bank.picture(row) for row in aside], guesses, generator, identity))
        return mapper.state_dict()

    key = [fingerprint(codes, persons, bank.latents, vision.up.weight), bank.kept_aside, generator.weights]
    tensors = kept(stage_file(work, "correction", key), fit)
    mapper = CorrectionMapper(codes.shape[1], persons.shape[1], generator.w_dim)
    mapper.load_state_dict(tensors)
    return mapper


def fit_correction(codes: Tensor, persons: Tensor, latents: Tensor, penalty: float = PENALTY) -> CorrectionMapper:
    """codes [N, rank], face vectors [N, E], latents [N, w_dim] -> the layer, its `usual` still 0.

    One ridge regression of w on both, each brought to a mean squared length of 1: the share of the face vector is then
    what it tells beyond the codes.
    """
    parts = [part - part.mean(0) for part in (codes, persons)]
    lengths = [part.square().sum(1).mean().sqrt() for part in parts]
    x = torch.cat([part / length for part, length in zip(parts, lengths, strict=True)], dim=1)
    solved = ridge(x.T @ x, x.T @ (latents - latents.mean(0)), penalty)
    mapper = CorrectionMapper(codes.shape[1], persons.shape[1], latents.shape[1]).requires_grad_(False)
    mapper.picture.weight.copy_((solved[: codes.shape[1]] / lengths[0]).T)
    mapper.person.weight.copy_((solved[codes.shape[1] :] / lengths[1]).T)
    return mapper


@torch.no_grad()
def codes_in_turn(views: Sequence[Sequence[Path]], vision: VisionMapper) -> Tensor:
    """Codes [N, rank] of face i in view i % len(views), from the feature shards of every view."""
    rows: list[Tensor] = []
    for shards in zip(*views, strict=True):
        seen = [load_shards([shard]) for shard in shards]
        first = SHARD * len(rows)
        turn = [seen[(first + row) % len(views)][row] for row in range(len(seen[0]))]
        rows.append(vision.codes(torch.stack(turn).float()))
    return torch.cat(rows)


@torch.no_grad()
def usual_distance(
    pictures: Sequence[np.ndarray], latents: Tensor, generator: Generator, identity: IdentityNetwork
) -> float:
    """Mean distance of the face vectors of pictures, uint8 [S, S, 3], and of what is drawn from latents [N, w_dim]."""
    distances = []
    for picture, w in zip(pictures, latents, strict=True):
        drawn = to_uint8(generator.draft(w.expand(1, generator.num_ws, -1)))[0]
        mine, true = (identity.describe(to_batch([p], None, torch.device("cpu")))[0] for p in (drawn, picture))
        distances.append(float((mine - true).norm()))
    return float(np.mean(distances))
