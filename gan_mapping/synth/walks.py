"""Which clip a number stands for: its face, its split, its movement and the latents of its frames.

Left and right are the viewer's. Everything follows from the clip's number, so any part can be made anywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fdvd.attributes.table import HELD_OUT_SEEDS, attribute_table, load_labels
from fdvd.language.captions.facts import FACTS, MOTIONS, MOUTH, POSE
from gan_mapping.synth.probes import Axis

FIRST_UNLABELLED = 100_000
HELD_OUT_EVERY = 5

# Movement -> (relative frequency, facts it makes true, {axis: (from, to)} in the axes' units).
MOVES: dict[str, tuple[float, tuple[str, ...], dict[str, tuple[float, float]]]] = {
    "still": (3.0, ("keeps_still",), {}),
    "left": (3.0, ("turns_left",), {"pose": (1.0, -1.0)}),
    "right": (3.0, ("turns_right",), {"pose": (-1.0, 1.0)}),
    "slightly left": (1.0, ("turns_left", "slight_turn"), {"pose": (0.5, -0.5)}),
    "slightly right": (1.0, ("turns_right", "slight_turn"), {"pose": (-0.5, 0.5)}),
    "back from left": (1.0, ("turns_to_camera",), {"pose": (-1.4, 0.0)}),
    "back from right": (1.0, ("turns_to_camera",), {"pose": (1.4, 0.0)}),
    "smile": (2.5, ("starts_smile",), {"smile": (-0.5, 1.3)}),
    "stop smiling": (1.5, ("stops_smile",), {"smile": (1.3, -0.5)}),
    "open": (1.5, ("opens_mouth",), {"mouth": (-0.2, 1.2)}),
    "close": (1.0, ("closes_mouth",), {"mouth": (1.2, -0.2)}),
    "left and smile": (0.8, ("turns_left", "starts_smile"), {"pose": (0.7, -0.7), "smile": (-0.5, 1.3)}),
    "right and smile": (0.8, ("turns_right", "starts_smile"), {"pose": (-0.7, 0.7), "smile": (-0.5, 1.3)}),
}
# What can no longer be said of the face as such, because it changes during the clip.
_UNSETTLED: dict[str, frozenset[str]] = {
    "pose": frozenset(POSE),
    "smile": frozenset({*MOUTH, *(fact for fact in attribute_table().may_follow("smile") if fact in FACTS)}),
    "mouth": frozenset(MOUTH) - {"smile", "no_smile"},
}
# What a movement is when the clip is played backwards.
_BACKWARDS = {
    "turns_left": "turns_right",
    "starts_smile": "stops_smile",
    "opens_mouth": "closes_mouth",
}
_BACKWARDS |= {after: before for before, after in _BACKWARDS.items()}


def backwards(facts: Collection[str]) -> frozenset[str]:
    """The facts of the clip played backwards; empty where nothing moves or that movement has no name."""
    moves = {fact for fact in facts if fact in MOTIONS}
    if not moves & set(_BACKWARDS) or not moves <= {*_BACKWARDS, "slight_turn"}:
        return frozenset()
    return frozenset(_BACKWARDS.get(fact, fact) for fact in facts)


@dataclass(frozen=True)
class Walk:
    """A movement: facts it makes true, facts it unsettles, where it goes on which axes; none: one still frame."""

    name: str
    facts: tuple[str, ...]
    unsettled: frozenset[str]
    path: dict[str, tuple[float, float]]


def seed_of(clip: int) -> tuple[int, str]:
    """-> (seed of the face, "train" or "heldout").

    Every fifth clip takes the next held-out seed until those 400 are used up; the others take seeds 0-1599, the
    rare labelled seeds, and then seeds that nobody labelled.
    """
    held = min((clip + 1) // HELD_OUT_EVERY, len(HELD_OUT_SEEDS))
    if clip % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 and clip // HELD_OUT_EVERY < len(HELD_OUT_SEEDS):
        return HELD_OUT_SEEDS[clip // HELD_OUT_EVERY], "heldout"
    index, labelled = clip - held, _labelled_seeds()
    return (labelled[index] if index < len(labelled) else FIRST_UNLABELLED + index - len(labelled)), "train"


@functools.cache
def _labelled_seeds() -> tuple[int, ...]:
    return tuple(seed for seed in sorted(load_labels()) if seed not in HELD_OUT_SEEDS)


def walk_of(seed: int, split: str) -> Walk:
    """The movement that the clip of this seed shows."""
    rng = np.random.default_rng([seed, 4, len(split)])
    weights = np.array([move[0] for move in MOVES.values()])
    name = list(MOVES)[int(rng.choice(len(weights), p=weights / weights.sum()))]
    _, facts, path = MOVES[name]
    unsettled = frozenset().union(*(_UNSETTLED[axis] for axis in path))
    return Walk(name, facts, unsettled, path)


def latents_along(w: Tensor, walk: Walk, axes: dict[str, Axis], frames: int) -> Tensor:
    """w [w_dim] of the face -> [frames, w_dim] at even steps along the walk (all alike when nothing moves)."""
    rows = []
    for t in np.linspace(0.0, 1.0, frames):
        row = w
        # Axes are not quite independent: the second pass takes back what one moved on the other.
        for _ in range(2):
            for name, (start, end) in walk.path.items():
                row = axes[name].place(row, start + (end - start) * float(t))
        rows.append(row)
    return torch.stack(rows)
