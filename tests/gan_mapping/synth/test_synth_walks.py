"""Probes and walks: what they read, what they move, what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_mapping.generators.protocol import Generator
from gan_mapping.synth.probes import PSI, Probes
from gan_mapping.synth.walks import MOVES, Walk, backwards, latents_along, walk_of
from gan_mapping.training.rendered_set import FaceSeed, latents_of


@pytest.fixture(scope="module")
def faces(generator: Generator) -> Tensor:
    return latents_of([FaceSeed(seed, PSI) for seed in range(1600, 1640)], generator)


def walk(name: str) -> Walk:
    _, facts, path = MOVES[name]
    return Walk(name, facts, frozenset(), path)


def test_probes_read_faces_they_never_saw(probes: Probes) -> None:
    for fact in ("male", "glasses", "child", "look_left", "short_hair"):
        assert probes.auc[fact] > 0.93, fact
    assert probes.auc["smile"] > 0.9
    assert probes.precision > 0.9
    assert np.nanmean(list(probes.auc.values())) > 0.88


@pytest.mark.parametrize("name", list(MOVES))
def test_a_walk_goes_where_its_words_say(name: str, faces: Tensor, probes: Probes) -> None:
    for w in faces:
        rows = latents_along(w, walk(name), probes.axes, 5)
        assert rows.shape == (5, 512)
        for axis, (start, end) in walk(name).path.items():
            read = [probes.axes[axis].read(row) for row in rows]
            assert read == pytest.approx(np.linspace(start, end, 5), abs=0.12)
        if not walk(name).path:
            assert (rows == w).all()


def test_left_is_the_viewers_left(probes: Probes) -> None:
    """The labels' `left` is the viewer's; a clip that turns left must end where faces are labelled `left`."""
    column = probes.facts.index("look_left")
    rows = latents_along(torch.zeros(512), walk("left"), probes.axes, 2)
    before, after = rows @ probes.weight[column]
    assert after > before


def test_other_things_stay_as_they_are(faces: Tensor, probes: Probes) -> None:
    """Along a turn or a smile, what the probes say of gender, age, hair and glasses moves little."""
    kept = [probes.facts.index(fact) for fact in ("male", "child", "old", "glasses", "hat", "black_hair", "beard")]
    spread = (faces @ probes.weight[kept].T).std(0)
    for name in ("left", "smile", "open"):
        for w in faces[:10]:
            rows = latents_along(w, walk(name), probes.axes, 3)
            moved = ((rows[2] - rows[0]) @ probes.weight[kept].T).abs() / spread
            assert moved.max() < 0.6, (name, moved)


def test_a_clip_is_settled_by_its_seed() -> None:
    assert walk_of(17, "train") == walk_of(17, "train")
    assert {walk_of(seed, "train").name for seed in range(300)} == set(MOVES)


def test_what_moves_is_no_longer_said_of_the_face() -> None:
    for seed in range(200):
        here = walk_of(seed, "train")
        if "pose" in here.path:
            assert {"look_left", "look_right", "frontal"} <= here.unsettled
        if "smile" in here.path:
            assert {"smile", "no_smile", "broad_smile", "mouth_closed"} <= here.unsettled


def test_backwards_tells_what_the_clip_shows_when_it_is_turned_round() -> None:
    assert backwards({"female", "turns_left", "slight_turn"}) == {"female", "turns_right", "slight_turn"}
    assert backwards({"starts_smile", "turns_right"}) == {"stops_smile", "turns_left"}
    assert backwards(backwards({"opens_mouth", "old"})) == {"opens_mouth", "old"}
    for facts in (set[str](), {"male"}, {"keeps_still", "male"}, {"turns_to_camera"}):
        assert backwards(facts) == frozenset()
