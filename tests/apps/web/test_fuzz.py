"""Whatever programs send to the endpoints is done or refused with a sentence; nothing else is ever raised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from apps.web.clips import ClipRequest, edit_clip
from apps.web.edit_service import EditRequest, EditService
from apps.web.limits import Limits
from apps.web.superres import SuperResRequest, super_resolve
from gan_mapping import FaceEditor
from tests.standin import standin_model
from vl_backbone.common.errors import VilaFaceError

NUMBERS = st.floats() | st.integers() | st.integers(-3, 30)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.sampled_from(["smile", "weather", "", "largest", "all", "0", "9", "-1", "\0", "\ud800"]) | ANYTHING
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class AnsweringEditor(FaceEditor):
    """Whatever reaches super-resolution has passed all checks."""

    def super_resolve(self, image: np.ndarray, text: str | None = None, **settings: Any) -> Any:
        assert isinstance(settings["samples"], int) and isinstance(settings["seed"], int)
        assert np.isfinite(settings["strength"]) and (text is None or isinstance(text, str))
        return "answered"


@pytest.fixture(scope="module")
def studio() -> EditService:
    return EditService(AnsweringEditor(standin_model(faces=2)), Limits(clip_s=2, refine=3))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("fuzz") / "photo.png"
    Image.new("RGB", (20, 20), (90, 80, 70)).save(path)
    return str(path)


def refused(call: Any) -> str:
    """The sentence of a refusal, or "" for an answer."""
    try:
        call()
    except VilaFaceError as error:
        assert str(error).strip()
        return str(error)
    return ""


@many
@given(st.data())
def test_edits(studio: EditService, photo: str, data: st.DataObject) -> None:
    values = {name: data.draw(WORDS, name) for name in ("text", "strength", "face", "refine", "pose", "age", "smile")}
    sensible = {"text": "smile", "strength": 1.0, "face": "largest", "refine": 0, "pose": 0.0, "age": 0.0, "smile": 0.0}
    chosen = data.draw(st.sets(st.sampled_from(sorted(sensible)), max_size=3), "odd")
    asked = EditRequest(photo, **{**sensible, **{name: values[name] for name in chosen}})

    def call() -> None:
        asked.check()
        studio.edit(asked)

    assert not refused(call) or chosen


@many
@given(WORDS, WORDS, WORDS, WORDS, WORDS)
def test_clips(studio: EditService, photo: str, text: Any, strength: Any, face: Any, refine: Any, preview: Any) -> None:
    asked = ClipRequest(photo, text, strength, face, refine, preview)
    sentence = refused(lambda: edit_clip(studio, asked, Path(photo).with_name("out.mp4")))
    assert sentence and str(Path(photo).parent) not in sentence


@many
@given(WORDS, NUMBERS | WORDS, NUMBERS | WORDS, NUMBERS | WORDS)
def test_small_faces(studio: EditService, photo: str, text: Any, samples: Any, strength: Any, seed: Any) -> None:
    refused(lambda: super_resolve(studio, SuperResRequest(photo, text, samples, strength, seed)))


@many
@given(WORDS, NUMBERS | WORDS, NUMBERS | WORDS)
def test_new_faces(studio: EditService, text: Any, n: Any, seed: Any) -> None:
    refused(lambda: studio.generate(text, n, seed))


@many
@given(st.text(max_size=300))
def test_files_that_are_not_there(studio: EditService, name: str) -> None:
    assert refused(lambda: studio.edit(EditRequest(f"/no/such/{name}", "smile")))
    assert refused(lambda: super_resolve(studio, SuperResRequest(f"/no/such/{name}")))
    assert refused(lambda: edit_clip(studio, ClipRequest(f"/no/such/{name}", "smile"), Path("out.mp4")))
