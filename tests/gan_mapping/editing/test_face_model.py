"""A model that tries its edits out: what it gives back, and how often it draws, reads and encodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fdvd.attributes.table import ATTRIBUTES
from gan_mapping import FaceEditor
from gan_mapping.editing.closed_loop import ClosedLoopConfig
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.session import EditSession
from gan_mapping.images import halved, to_uint8
from gan_mapping.mappers.layers import AttributeReader
from tests.standin import CELLS, StandinModel, standin_model

SMILE, AGE = ATTRIBUTES.index("smile"), ATTRIBUTES.index("age")
SIDE = 128


@pytest.fixture
def looking() -> FaceModel:
    """Its reader sees the picture's colors; smile is one of them."""
    model = standin_model(side=SIDE)
    torch.manual_seed(1)
    reader = AttributeReader(CELLS * CELLS * 3, len(ATTRIBUTES)).requires_grad_(False)
    model.mappers.offset.relative[AGE] = 1.0
    return StandinModel(replace(model.parts, mappers=replace(model.mappers, reader=reader)), model.settings)


def wish(axis: int, degree: float = 1.0) -> torch.Tensor:
    intents = torch.zeros(1, len(ATTRIBUTES))
    intents[0, axis] = degree
    return intents


def test_the_picture_is_the_render_of_the_offset(looking: FaceModel) -> None:
    ws = looking.sample(3)
    for intents in (wish(SMILE), wish(SMILE, -1.0), wish(AGE), 0 * wish(AGE)):
        aimed, picture = looking.edit_offset(ws, intents)
        offset = aimed.offset
        assert (picture is None) == (not intents[0, SMILE])
        assert picture is None or np.array_equal(picture, looking.draw(ws + offset))
        assert bool(offset.any()) == bool(intents.any()) or intents[0, SMILE] < 0


def test_a_look_moves_the_edit_towards_its_goal(looking: FaceModel) -> None:
    """Never further from the goal than the first try; and nearer for a face that answers."""
    ws = looking.sample(5)
    intents = wish(SMILE)
    goal = looking.mappers.offset.goals(intents)[0, SMILE]
    seen = looking.observe(to_uint8(looking.generator.render(ws))[0], ws)
    first = looking.mappers.offset.along(looking.mappers.offset.steps(ws, intents, seen.scores[None])[0])
    tried = to_uint8(looking.generator.render(ws + first))[0]
    picture = looking.draw(ws + looking.edit_offset(ws, intents)[0].offset)
    missed = (goal - looking.observe(tried, ws).scores[SMILE]).abs()
    assert (goal - looking.observe(picture, ws).scores[SMILE]).abs() <= missed + 1e-3


def test_steps_that_know_no_goal_are_drawn_once(looking: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is to be put back."""
    plain = replace(looking.settings, closed_loop=ClosedLoopConfig(restorations=0))
    looking = StandinModel(looking.parts, plain)
    generator = looking.generator
    before = generator.drawn  # type: ignore[attr-defined]
    monkeypatch.setattr(looking, "read", lambda text: wish(AGE))
    FaceEditor(looking).generate("older", n=1)
    assert generator.drawn == before + 1  # type: ignore[attr-defined]


def test_who_cannot_look_says_so() -> None:
    model = standin_model()
    with pytest.raises(ValueError, match="no attribute reader"):
        model.observe(np.zeros((64, 64, 3), np.uint8), model.sample(1))


def test_a_slider_costs_a_drawing_and_its_identity(looking: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    session = EditSession(looking, photo, refine=0, aligned=True)
    session.apply("smile", 1.0)
    counts = dict.fromkeys(("read", "edit_offset", "observe", "recognise", "encode", "draw", "describe_identity"), 0)

    def counted(name: str) -> Callable[..., Any]:
        whole = getattr(looking, name)

        def call(*arguments: Any, **settings: Any) -> Any:
            counts[name] += 1
            return whole(*arguments, **settings)

        return call

    for name in counts:
        monkeypatch.setattr(looking, name, counted(name))
    for strength in (0.3, 0.8, -1.0):
        session.apply("smile", strength)
    assert {name: count for name, count in counts.items() if count} == {"draw": 3, "describe_identity": 3}
    assert np.array_equal(session.apply("smile", 0.0).rgb, photo)
    assert {name: count for name, count in counts.items() if count} == {"draw": 3, "describe_identity": 3}
    session.apply("age", 1.0)
    assert counts["read"] == counts["edit_offset"] == 1 and counts["recognise"] == 0


def test_the_edit_carries_what_was_computed_on_the_way(looking: FaceModel) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    session = EditSession(looking, photo, refine=0, aligned=True)
    inverted = session.faces[0]
    assert np.array_equal(inverted.crop, inverted.frame.crop(photo))
    assert np.array_equal(inverted.reconstruction, looking.draw(inverted.ws))
    people = looking.describe_identity([inverted.crop, inverted.reconstruction])
    assert torch.equal(inverted.identity_embeddings, people)
    assert inverted.observation is not None
    seen = looking.observe(inverted.reconstruction, inverted.ws)
    assert torch.equal(inverted.observation.scores, seen.scores)
    face = session.apply("smile").faces[0]
    assert face.inverted is inverted and face.crop is inverted.crop
    assert torch.equal(face.ws, inverted.ws[0]) and not torch.equal(face.ws_edited, face.ws)


def test_how_edits_are_tried_out_belongs_to_the_model(looking: FaceModel) -> None:
    ws = looking.sample(3)
    once = StandinModel(looking.parts, replace(looking.settings, closed_loop=ClosedLoopConfig(looks=1, restorations=0)))
    before = once.observe(once.draw(ws), ws)
    drawn = once.generator.drawn
    once.edit_offset(ws, wish(SMILE), before)
    assert once.generator.drawn == drawn + 1


def test_drafts_are_looked_at_and_never_kept(looking: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = looking.generator
    photo = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    ws = EditSession(looking, photo, refine=0, aligned=True).faces[0].ws
    drafts: list[torch.Tensor] = []

    def rough(ws: torch.Tensor) -> torch.Tensor:
        drafts.append(ws)
        return generator.synthesis(ws) + 0.01

    monkeypatch.setattr(generator, "draft", rough)
    monkeypatch.setattr(generator, "exact_drafts", False)
    monkeypatch.setattr(looking, "read", lambda text: wish(SMILE))
    assert looking.edit_offset(ws, wish(SMILE))[1] is None
    assert len(drafts) > 1
    faces = FaceEditor(looking).edit(photo, "smile", refine=0, aligned=True).faces
    drawn = [(face.edited, face.ws_edited) for face in faces] + [
        (face.image, face.ws) for face in FaceEditor(looking).generate("smile", n=2)
    ]
    for picture, latent in drawn:
        assert np.array_equal(picture, looking.draw(latent[None]))


def test_exact_drafts_are_not_drawn_again(looking: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "read", lambda text: wish(SMILE))
    monkeypatch.setattr(looking, "draw", lambda ws: pytest.fail("drawn again"))
    FaceEditor(looking).generate("smile", n=1)


def test_a_picture_and_its_half_are_read_alike(looking: FaceModel) -> None:
    """Drafts may have half the side."""
    picture = looking.draw(looking.sample(4))
    assert torch.equal(looking.encode([picture]), looking.encode([halved(picture)]))
