"""What the web page does, without a browser and with an editor that only pretends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from app_helpers import FakeEditor
from PIL import Image

from apps.web.handlers import PREVIEW_SIDE, Handlers, preview
from apps.web.page import build_page
from gan_mapping.session import EditSession
from vl_backbone.errors import InputError


@pytest.fixture
def photo(tmp_path: Path) -> str:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def handlers(fake_editor: FakeEditor, tmp_path: Path) -> Handlers:
    return Handlers(fake_editor, tmp_path / "results")  # type: ignore[arg-type]


def test_an_edit_gives_pictures_a_file_and_words(handlers: Handlers, photo: str) -> None:
    steps: list[tuple[int, int]] = []
    answer = handlers.edit(photo, "smile", 1.0, None, "largest", lambda i, n: steps.append((i, n)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert answer.before.shape == answer.after.shape == (80, 80, 3)
    assert not np.array_equal(answer.before, answer.after)
    assert answer.file.name == "photo.edited.png"
    assert np.array_equal(np.asarray(Image.open(answer.file)), answer.after)
    assert "smile +0.5" in answer.summary


def test_a_new_strength_or_sentence_does_not_invert_again(
    handlers: Handlers, fake_editor: FakeEditor, photo: str
) -> None:
    assert not handlers.is_quick(photo, 2, "largest")
    handlers.edit(photo, "smile", 1.0, 2, "largest")
    assert handlers.is_quick(photo, 2, "largest")
    handlers.edit(photo, "a big smile", 0.3, 2, "largest")
    assert fake_editor.inversions == 1
    handlers.edit(photo, "smile", 1.0, 1, "largest")
    assert fake_editor.inversions == 2


def test_strength_0_gives_the_photo_back(handlers: Handlers, photo: str) -> None:
    answer = handlers.edit(photo, "smile", 0.0, 0, "largest")
    assert np.array_equal(np.asarray(Image.open(answer.file)), np.asarray(Image.open(photo)))


def test_only_the_last_sessions_are_kept(handlers: Handlers, tmp_path: Path) -> None:
    paths = []
    for shade in range(6):
        paths.append(str(tmp_path / f"{shade}.png"))
        Image.new("RGB", (40, 40), (shade, 0, 0)).save(paths[-1])
        handlers.edit(paths[-1], "smile", 1.0, 0, "largest")
    assert [handlers.is_quick(path, 0, "largest") for path in paths] == [False, False, True, True, True, True]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": None}, "Choose a photo"),
        ({"text": " "}, "Say what to change"),
        ({"strength": float("nan")}, "Strength must be"),
        ({"refine": -1}, "Refinement steps must be"),
        ({"refine": 2.5}, "Refinement steps must be"),
        ({"image": "/no/such/file.png"}, "The photo there is no such file"),
    ],
)
def test_bad_input_is_a_sentence(handlers: Handlers, photo: str, change: dict[str, Any], sentence: str) -> None:
    arguments: dict[str, Any] = {"image": photo, "text": "smile", "strength": 1.0, "refine": 0, "face": "largest"}
    with pytest.raises(InputError, match=sentence):
        handlers.edit(**{**arguments, **change})


def test_a_sentence_without_meaning_is_told(handlers: Handlers, photo: str) -> None:
    assert "Note:" in handlers.edit(photo, "fine weather", 1.0, 0, "largest").summary


def test_a_photo_without_a_face_is_told_at_once(tmp_path: Path, photo: str) -> None:
    with pytest.raises(InputError, match="No face"):
        Handlers(FakeEditor(faces=0)).count_faces(photo)  # type: ignore[arg-type]
    assert Handlers(FakeEditor(faces=2)).count_faces(photo) == 2  # type: ignore[arg-type]


def test_faces_are_made_and_bounded(handlers: Handlers) -> None:
    made = handlers.generate("an old man", 3, 7)
    assert [caption for _, caption in made] == ["seed 7", "seed 8", "seed 9"]
    assert all(path.is_file() for path, _ in made)
    with pytest.raises(InputError, match="number of faces"):
        handlers.generate("an old man", 1000, 0)
    with pytest.raises(InputError, match="seed"):
        handlers.generate("an old man", 1, -1)


def test_previews_of_large_photos_are_small() -> None:
    assert preview(np.zeros((1000, 4000, 3), np.uint8)).shape == (400, PREVIEW_SIDE, 3)


def test_the_page_names_its_endpoints(handlers: Handlers) -> None:
    page = build_page(handlers)
    names = {d["api_name"] for d in page.config["dependencies"] if d["api_visibility"] == "public"}
    assert names == {"edit", "generate"}
    assert page.analytics_enabled is False


def test_a_session_counts_steps_over_all_faces(photo: str) -> None:
    steps: list[tuple[int, int]] = []
    rgb = np.asarray(Image.open(photo))
    session = EditSession(
        FakeEditor(faces=2),  # type: ignore[arg-type]
        rgb,
        "all",
        2,
        progress=lambda i, n: steps.append((i, n)),
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    result = session.apply("smile", 1.0)
    assert [face.index for face in result.faces] == [0, 1]
    assert np.array_equal(session.apply("smile", 0.0).rgb, rgb)
