"""What the web page does, without a browser and with networks of milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps.web.edit_service import STRIP, EditRequest, EditService, whole_number
from apps.web.jobs import Cancelled, Job, Jobs
from apps.web.limits import Limits
from apps.web.pictures import PREVIEW_SIDE, preview
from gan_mapping import FaceEditor
from tests.standin import StandinModel, standin_editor
from vl_backbone.common.errors import InputError, UsageError

STAGES_OF_A_NEW_FACE = {"align", "encode", "refine"}


@pytest.fixture
def photo(tmp_path: Path) -> str:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def studio(small_editor: FaceEditor) -> EditService:
    return EditService(small_editor)


@pytest.fixture
def model(studio: EditService) -> StandinModel:
    """The model behind the page, which counts."""
    assert isinstance(studio.editor.model, StandinModel)
    return studio.editor.model


def test_an_edit_reports_its_steps_and_changes_the_photo(studio: EditService, photo: str) -> None:
    steps: list[tuple[int, int]] = []
    edit = studio.edit(EditRequest(photo, "smile"), report=lambda i, n: steps.append((i, n)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert edit.result.intents == {"smile": 0.5}
    assert np.any(np.asarray(edit.image) != np.asarray(Image.open(photo)))
    assert "detect" in edit.timings_s


def test_a_new_sentence_or_slider_detects_and_inverts_nothing(
    studio: EditService, model: StandinModel, photo: str
) -> None:
    first = EditRequest(photo, "smile", refine=2)
    assert not studio.is_known(first)
    studio.edit(first)
    assert studio.is_known(first)
    for again in (
        EditRequest(photo, "a big smile", 0.3, refine=2),
        EditRequest(photo, "smile", refine=2, pose=0.5, age=-1, smile=0.2),
        EditRequest(photo, "", refine=2, age=0.5),
    ):
        timings = studio.edit(again).timings_s
        assert timings.keys() >= {"render", "paste"}
        assert not timings.keys() & {"detect", *STAGES_OF_A_NEW_FACE}
    assert (model.detections, model.inversions) == (1, 1)
    studio.edit(EditRequest(photo, "smile", refine=1))
    assert (model.detections, model.inversions) == (1, 2)


def test_a_copy_of_a_photo_is_known_and_another_one_is_not(
    studio: EditService, model: StandinModel, photo: str, tmp_path: Path
) -> None:
    (tmp_path / "copy.png").write_bytes(Path(photo).read_bytes())
    Image.new("RGB", (40, 40)).save(tmp_path / "other.png")
    for path in (photo, str(tmp_path / "copy.png"), str(tmp_path / "other.png")):
        studio.edit(EditRequest(path, "smile", refine=0))
    assert model.inversions == 2


def test_the_best_latent_in_hand_is_found(studio: EditService, photo: str) -> None:
    assert studio.best_steps(EditRequest(photo, "smile", refine=5)) == 0
    for steps in (0, 2, 7):
        studio.edit(EditRequest(photo, "smile", refine=steps))
    assert studio.best_steps(EditRequest(photo, "smile", refine=5)) == 2
    assert studio.best_steps(EditRequest(photo, "smile", refine=9)) == 7


def test_nothing_asked_gives_the_photo_back(studio: EditService, photo: str) -> None:
    for request in (EditRequest(photo, "smile", 0.0, refine=0), EditRequest(photo, "", refine=0)):
        assert np.array_equal(np.asarray(studio.edit(request).image), np.asarray(Image.open(photo)))


def test_memory_for_photos_is_bounded(small_editor: FaceEditor, tmp_path: Path) -> None:
    studio = EditService(small_editor, Limits(cache_mb=1))
    paths = []
    for shade in range(6):
        paths.append(str(tmp_path / f"{shade}.png"))
        Image.new("RGB", (300, 300), (shade, 0, 0)).save(paths[-1])
        studio.edit(EditRequest(paths[-1], "smile", refine=0))
    known = [studio.is_known(EditRequest(path, "smile", refine=0)) for path in paths]
    assert known[-1]
    assert not known[0]
    assert sorted(known) == known
    held = sum(p.megabytes() for p in studio._photos.values())
    assert held <= 1


def test_one_photo_keeps_few_inversions(studio: EditService, photo: str) -> None:
    for steps in range(8):
        studio.edit(EditRequest(photo, "smile", refine=steps))
    assert sum(studio.is_known(EditRequest(photo, "smile", refine=steps)) for steps in range(8)) == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image": None}, "Choose a photo"),
        ({"text": " "}, "Say what to change"),
        ({"strength": float("nan")}, "Strength must be"),
        ({"strength": 100}, "Strength must be"),
        ({"strength": None}, "Strength must be"),
        ({"age": float("inf")}, "Age must be"),
        ({"pose": "left"}, "Pose must be"),
        ({"text": None}, "The text must be"),
    ],
)
def test_bad_requests_are_sentences(photo: str, change: dict[str, Any], sentence: str) -> None:
    arguments: dict[str, Any] = {"image": photo, "text": "smile"}
    with pytest.raises(InputError, match=sentence):
        EditRequest(**{**arguments, **change}).check()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"refine": -1}, "Refinement steps must be"),
        ({"refine": 2.5}, "Refinement steps must be"),
        ({"refine": 10_000}, "Refinement steps must be"),
        ({"image": "/no/such/file.png"}, "no longer on the server"),
        ({"face": "7"}, "no face 7"),
        ({"face": "left"}, "face must be"),
    ],
)
def test_bad_choices_are_sentences(studio: EditService, photo: str, change: dict[str, Any], sentence: str) -> None:
    arguments: dict[str, Any] = {"image": photo, "text": "smile"}
    with pytest.raises(InputError, match=sentence):
        studio.edit(EditRequest(**{**arguments, **change}))


def test_unusable_photos_are_sentences(studio: EditService, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("this is no photo")
    with pytest.raises(InputError, match="The photo is not a photo in a known format") as error:
        studio.photo(str(text))
    assert str(tmp_path) not in str(error.value)
    with pytest.raises(InputError, match="Choose a photo"):
        studio.photo(None)


def test_a_photo_without_a_face_is_told_in_the_pages_own_words(photo: str) -> None:
    with pytest.raises(InputError, match="No face was found") as error:
        EditService(standin_editor(faces=0)).photo(photo)
    assert "--aligned" not in str(error.value)
    assert len(EditService(standin_editor(faces=2)).photo(photo).frames) == 2


def test_large_files_and_pictures_are_refused(small_editor: FaceEditor, tmp_path: Path) -> None:
    studio = EditService(small_editor, Limits(upload_mb=1, megapixels=1))
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "heavy.png")
    with pytest.raises(InputError, match="up to 1 MB"):
        studio.photo(str(tmp_path / "heavy.png"))
    Image.new("RGB", (2000, 600)).save(tmp_path / "wide.png")
    with pytest.raises(InputError, match=r"2000x600 pixels; this page takes up to 1 megapixels"):
        studio.photo(str(tmp_path / "wide.png"))
    assert studio.editor.model.detections == 0  # type: ignore[attr-defined]


def test_the_strip_shows_the_face_at_all_strengths(studio: EditService, photo: str) -> None:
    strip = studio.strip(EditRequest(photo, "smile"), 0)
    assert [strength for strength, _ in strip] == list(STRIP)
    levels = [picture.mean() for _, picture in strip]
    assert levels == sorted(levels)
    assert len(set(levels)) > 2


def test_a_cancelled_edit_ends_at_its_next_step(studio: EditService, model: StandinModel, photo: str) -> None:
    job = Job()

    def report(step: int, steps: int) -> None:
        if step == 2:
            job.cancel()

    with pytest.raises(Cancelled):
        studio.edit(EditRequest(photo, "smile", refine=50), job, report)
    assert not studio.is_known(EditRequest(photo, "smile", refine=50))
    studio.edit(EditRequest(photo, "smile", refine=50), Job())


def test_cancelling_reaches_only_ones_own_work() -> None:
    jobs = Jobs()
    with jobs.start("one") as mine, jobs.start("two") as theirs:
        jobs.cancel("one")
        with pytest.raises(Cancelled):
            mine.check()
        theirs.check()
    jobs.cancel("one")
    with jobs.start("one") as later:
        later.check()


def test_faces_are_made_and_bounded(studio: EditService) -> None:
    assert [face.seed for face in studio.generate("an old man", 3, 7)] == [7, 8, 9]
    for text, n, seed, sentence in (
        (" ", 1, 0, "Say who"),
        ("an old man", 1000, 0, "number of faces"),
        ("an old man", 0, 0, "number of faces"),
        ("an old man", 1, -1, "seed"),
        ("an old man", 1, 2.0**40, "seed"),
        ("an old man", float("nan"), 0, "number of faces"),
    ):
        with pytest.raises(InputError, match=sentence):
            studio.generate(text, n, seed)


@given(st.floats() | st.integers() | st.booleans() | st.text() | st.none())
def test_any_value_is_a_whole_number_or_a_sentence(value: Any) -> None:
    try:
        number = whole_number(value, "It", 100)
    except InputError as error:
        assert str(error).startswith("It must be")
    else:
        assert 0 <= number <= 100
        assert number == value


def test_previews_of_large_photos_are_small() -> None:
    assert preview(np.zeros((1000, 4000, 3), np.uint8)).shape == (400, PREVIEW_SIDE, 3)
    small = np.zeros((10, 10, 3), np.uint8)
    assert preview(small) is small


def test_limits_are_checked() -> None:
    with pytest.raises(UsageError, match="queue"):
        Limits(queue=0)
