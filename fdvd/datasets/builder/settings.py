"""What a build of FDVD depends on besides its sources and networks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from fdvd.datasets.ravdess.names import ACTORS
from fdvd.faces.smoothing import AXES_SIGMA, CENTRE_SIGMA
from vl_backbone.common.errors import UsageError

FORMAT = 1  # to be raised when clips built by older code must be built again


@dataclass(frozen=True)
class BuildSettings:
    """size: side of the clips, px. crf: constant quality of H.264, lower is better.

    axes_sigma, centre_sigma: smoothing of the alignment, frames (fdvd.faces.smoothing).
    readings: frames of a clip that the attribute judge looks at, evenly spread.
    min_in_sight: part of the frames in which the face must be tracked. max_gap: frames it may be lost.
    yes, no: probabilities from which an attribute is taken as true, as false; in between it is not mentioned.
    captions: descriptions per clip. seed: of the descriptions.
    clips: how many clips to build, spread evenly over the actors; 0 for all.
    val_actors, test_actors: the other actors are for training.
    """

    size: int = 1024
    crf: int = 14
    axes_sigma: float = AXES_SIGMA
    centre_sigma: float = CENTRE_SIGMA
    readings: int = 8
    min_in_sight: float = 0.9
    max_gap: int = 15
    yes: float = 0.8
    no: float = 0.2
    captions: int = 10
    seed: int = 0
    clips: int = 0
    val_actors: tuple[int, ...] = (19, 20)
    test_actors: tuple[int, ...] = (21, 22, 23, 24)

    def __post_init__(self) -> None:
        if self.size < 64 or self.size % 2:
            raise UsageError(f"The clips' side must be an even number of at least 64 px, got {self.size}.")
        if self.readings < 1 or self.captions < 1 or self.clips < 0 or self.max_gap < 0:
            raise UsageError("Readings and captions must be at least 1, the number of clips and the gap at least 0.")
        if not 0 <= self.no < self.yes <= 1 or not 0 < self.min_in_sight <= 1:
            raise UsageError("Of the probabilities, no must be below yes, and all must lie in 0 to 1.")
        actors = {*self.val_actors, *self.test_actors}
        if set(self.val_actors) & set(self.test_actors) or not actors < set(ACTORS):
            raise UsageError(
                "Validation and test actors must be different ones of 1 to 24, and some must be left over."
            )

    def split_of(self, actor: int) -> str:
        """Of "train", "val" and "test", by actor, so that no person is in two of them."""
        return "test" if actor in self.test_actors else "val" if actor in self.val_actors else "train"

    def clip_key(self, source_hash: str) -> str:
        """Equal when a clip need not be built again: hash of the source's bytes and of what the pixels depend on."""
        names = ("size", "crf", "axes_sigma", "centre_sigma", "readings", "min_in_sight", "max_gap")
        values = asdict(self)
        text = json.dumps([FORMAT, source_hash, {name: values[name] for name in names}], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
