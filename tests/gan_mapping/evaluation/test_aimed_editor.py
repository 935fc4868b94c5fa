"""An editor that looks at its edits: what it gives back, and how often it draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fdvd.attributes.table import ATTRIBUTES
from gan_mapping import FaceEditor
from gan_mapping.editing.session import EditSession
from gan_mapping.images import halved, to_uint8
from gan_mapping.mappers.layers import AttributeReader
from tests.gan_mapping.evaluation.blocks_editor import tiny_editor

SMILE, AGE = ATTRIBUTES.index("smile"), ATTRIBUTES.index("age")


@pytest.fixture
def looking() -> FaceEditor:
    """Its reader sees the picture's colours; smile is one of them."""
    editor = tiny_editor()
    torch.manual_seed(1)
    reader = AttributeReader(8 * 8 * 3, len(ATTRIBUTES)).requires_grad_(False)
    editor.mappers = replace(editor.mappers, reader=reader)
    editor.mappers.offset.relative[AGE] = 1.0
    return editor


def wish(axis: int, degree: float = 1.0) -> torch.Tensor:
    intents = torch.zeros(1, len(ATTRIBUTES))
    intents[0, axis] = degree
    return intents


def test_the_picture_is_the_render_of_the_offset(looking: FaceEditor) -> None:
    ws = looking.sample(3)
    for intents in (wish(SMILE), wish(SMILE, -1.0), wish(AGE), 0 * wish(AGE)):
        aimed, picture = looking.aim(ws, intents)
        offset = aimed.offset
        assert (picture is None) == (not intents[0, SMILE])
        assert picture is None or np.array_equal(picture, looking.draw(ws + offset))
        assert bool(offset.any()) == bool(intents.any()) or intents[0, SMILE] < 0


def test_a_look_moves_the_edit_towards_its_goal(looking: FaceEditor) -> None:
    """Never further from the goal than the first try; and nearer for a face that answers."""
    ws = looking.sample(5)
    intents = wish(SMILE)
    goal = looking.mappers.offset.goals(intents)[0, SMILE]
    seen = looking.see(to_uint8(looking.generator.render(ws))[0], ws)
    first = looking.mappers.offset.along(looking.mappers.offset.steps(ws, intents, seen.scores[None])[0])
    tried = to_uint8(looking.generator.render(ws + first))[0]
    picture = looking.draw(ws + looking.aim(ws, intents)[0].offset)
    missed = (goal - looking.see(tried, ws).scores[SMILE]).abs()
    assert (goal - looking.see(picture, ws).scores[SMILE]).abs() <= missed + 1e-3


def test_steps_that_know_no_goal_are_drawn_once(looking: FaceEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = looking.generator
    before = generator.drawn  # type: ignore[attr-defined]
    monkeypatch.setattr(looking, "read", lambda text: wish(AGE))
    looking.generate("older", n=1)
    assert generator.drawn == before + 1  # type: ignore[attr-defined]


def test_who_cannot_look_says_so() -> None:
    editor = tiny_editor()
    with pytest.raises(ValueError, match="no attribute reader"):
        editor.see(np.zeros((128, 128, 3), np.uint8), editor.sample(1))


def test_a_slider_aims_once_and_another_sentence_anew(looking: FaceEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    session = EditSession(looking, photo, refine=0, aligned=True)
    aimed: list[torch.Tensor] = []
    aim = looking.aim

    def counted(ws: torch.Tensor, intents: torch.Tensor, drawn: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        aimed.append(intents)
        return aim(ws, intents, drawn)

    monkeypatch.setattr(looking, "aim", counted)
    monkeypatch.setattr(looking, "read", lambda text: wish(SMILE if "smile" in text else AGE))
    for strength in (0.0, 0.3, 1.0, -1.0):
        session.apply("smile", strength)
    assert len(aimed) == 1
    session.apply("older", 1.0)
    assert len(aimed) == 2
    assert np.array_equal(session.apply("smile", 0.0).rgb, photo)


def test_drafts_are_looked_at_and_never_kept(looking: FaceEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = looking.generator
    photo = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    ws = EditSession(looking, photo, refine=0, aligned=True).faces[0].ws
    drafts: list[torch.Tensor] = []

    def rough(ws: torch.Tensor) -> torch.Tensor:
        drafts.append(ws)
        return generator.synthesis(ws) + 0.01

    monkeypatch.setattr(generator, "draft", rough)
    monkeypatch.setattr(generator, "exact_drafts", False)
    monkeypatch.setattr(looking, "read", lambda text: wish(SMILE))
    assert looking.aim(ws, wish(SMILE))[1] is None
    assert len(drafts) > 1
    faces = looking.edit(photo, "smile", refine=0, aligned=True).faces
    drawn = [(face.edited, face.ws_edited) for face in faces] + [
        (face.image, face.ws) for face in looking.generate("smile", n=2)
    ]
    for picture, latent in drawn:
        assert np.array_equal(picture, looking.draw(latent[None]))


def test_exact_drafts_are_not_drawn_again(looking: FaceEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "read", lambda text: wish(SMILE))
    monkeypatch.setattr(looking, "draw", lambda ws: pytest.fail("drawn again"))
    looking.generate("smile", n=1)


def test_a_picture_and_its_half_are_read_alike(looking: FaceEditor) -> None:
    """Drafts may have half the side."""
    picture = looking.draw(looking.sample(4))
    assert torch.equal(looking.encode([picture]), looking.encode([halved(picture)]))
