"""FaceEditor through its public door, with the real parts and the bundled photo."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fdvd.media.photos import load_photo
from gan_mapping import FaceEditor
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.requests import check_strength, check_text, choose_faces
from gan_mapping.editing.session import EditSession
from gan_mapping.evaluation.judge import JUDGE_FILE, load_judge
from gan_mapping.images import to_batch, to_uint8
from tests.paths import ASTRONAUT
from vl_backbone.common.errors import InputError, UsageError, VilaFaceError

PHOTO = ASTRONAUT


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return load_photo(PHOTO).rgb


def test_requests_are_checked() -> None:
    for text in ("", "  \n"):
        with pytest.raises(InputError, match="empty"):
            check_text(text)
    for strength in (float("nan"), float("inf"), 99.0):
        with pytest.raises(InputError, match="Strength"):
            check_strength(strength)
    assert list(choose_faces("all", 3)) == [0, 1, 2] and list(choose_faces("2", 3)) == [2]
    for face in ("first", "-1", "3"):
        with pytest.raises(InputError):
            choose_faces(face, 3)


def test_unknown_preset_and_device_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="mini"):
        FaceEditor.from_preset("no-such-preset")
    with pytest.raises(UsageError, match="device"):
        FaceEditor.from_preset("mini", device="abacus")


def test_no_face_is_a_sentence(editor: FaceEditor) -> None:
    with pytest.raises(VilaFaceError, match="No face"):
        editor.edit(np.full((200, 300, 3), 128, np.uint8), "smile", refine=0)


@pytest.mark.slow
def test_strength_zero_is_the_photo_and_one_is_not(model: FaceModel, photo: np.ndarray) -> None:
    session = EditSession(model, photo, refine=0)
    assert np.array_equal(session.apply("blond hair", 0.0).rgb, photo)
    result = session.apply("blond hair", 1.0)
    changed = (result.rgb != photo).any(axis=2)
    left, top, right, bottom = session.faces[0].frame.bounds()
    outside = changed.copy()
    outside[max(int(top), 0) : int(bottom) + 1, max(int(left), 0) : int(right) + 1] = False
    assert changed.any() and not outside.any()
    assert result.intents["blond_hair"] > 0 and not result.warnings


@pytest.mark.slow
def test_text_that_is_not_about_faces_leaves_the_photo_and_warns(editor: FaceEditor, photo: np.ndarray) -> None:
    result = editor.edit(photo, "restart the server tonight", refine=0)
    assert np.array_equal(result.rgb, photo)
    assert len(result.warnings) == 1


@pytest.mark.slow
def test_offset_is_linear_in_strength_and_opposites_differ(model: FaceModel, photo: np.ndarray) -> None:
    session = EditSession(model, photo, refine=0)
    face = session.faces[0]
    half, full = (session.apply("add glasses", s).faces[0].ws_edited - face.ws[0] for s in (0.5, 1.0))
    assert torch.allclose(half * 2, full, atol=1e-5)


@pytest.mark.slow
def test_sentences_move_the_picture_towards_the_wish(model: FaceModel) -> None:
    """An independent judge, who sees pictures only, reads more of the wish in the edits than in the face."""
    judge = load_judge(JUDGE_FILE, model.identity)
    ws = model.sample(1601)
    for text, name in (("wearing glasses", "glasses"), ("a big smile", "smile"), ("blond hair", "blond_hair")):
        offset = model.edit_offset(ws, model.read(text))[0].offset
        column = judge.attributes.index(name)
        pictures = [to_uint8(model.generator.render(ws + s * offset))[0] for s in (0.0, 0.5, 1.0)]
        readings = judge.logits(to_batch(pictures, None, model.device))[:, column].tolist()
        # Once the judge is sure it has nothing more to add, so the upper half may be flat.
        assert readings[0] < min(readings[1], readings[2]), (text, readings)
        assert readings[2] > 0, (text, readings)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "clear"), [("with reading glasses", True), ("take off the glasses", False)])
def test_who_speaks_of_glasses_loses_the_dark_ones(model: FaceModel, text: str, clear: bool) -> None:
    judge = load_judge(JUDGE_FILE, model.identity)
    ws = model.sample(77)
    pictures = [model.draw(ws), model.draw(ws + model.edit_offset(ws, model.read(text))[0].offset)]
    readings = judge.logits(to_batch(pictures, None, model.device))
    before, after = (row[judge.attributes.index("sunglasses")].item() for row in readings)
    assert before > 0 > after
    assert (readings[1, judge.attributes.index("glasses")].item() > 0) is clear


@pytest.mark.slow
def test_refinement_brings_the_person_closer(model: FaceModel, photo: np.ndarray) -> None:
    seen: list[int] = []
    frame = model.find_faces(photo)[0][1]
    crop = frame.crop(photo)
    start, refined = model.invert(crop), model.invert(crop, 3, progress=lambda step, steps: seen.append(step))
    assert seen == [1, 2, 3]
    pictures = [to_uint8(model.generator.render(ws))[0] for ws in (start, refined)]
    target, before, after = model.describe_identity([crop, *pictures])
    assert float((target - after).norm()) < float((target - before).norm())


@pytest.mark.slow
def test_generate_is_deterministic_and_follows_the_text(editor: FaceEditor, model: FaceModel) -> None:
    one, again = (editor.generate("an old man with glasses", n=1, seed=5)[0] for _ in range(2))
    assert np.array_equal(one.image, again.image) and one.seed == 5
    judge = load_judge(JUDGE_FILE, model.identity)
    reading = judge.logits(to_batch([one.image], None, model.device))[0]
    assert float(reading[judge.attributes.index("glasses")]) > 0
    with pytest.raises(InputError):
        editor.generate("smile", n=0)
