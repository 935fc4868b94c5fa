"""History, result files and the words of the page."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.web import words
from apps.web.edit_service import EditRequest, EditService
from apps.web.history import Entry, History
from apps.web.limits import Limits
from apps.web.result_files import edit_row, file_stem, make_entry, write_edit, write_views
from apps.web.store import ResultStore
from fdvd.faces.alignment import FaceFrame
from tests.standin import standin_editor


def entry(folder: Path, text: str = "smile", steps: int = 0, tuned: bool = False, **asked: float) -> Entry:
    request = EditRequest("photo.png", text, **asked)  # type: ignore[arg-type]
    photo = folder / f"{len(list(folder.iterdir()))}.png"
    photo.write_bytes(b"")
    return Entry(request, steps, folder, (), str(photo), str(photo), str(photo), "", tuned)


def test_undo_and_redo_walk_the_edits(tmp_path: Path) -> None:
    history = History()
    first, second = entry(tmp_path, "smile"), entry(tmp_path, "blond")
    assert history.current is None
    assert history.add(first, 9) == history.add(second, 9) == []
    assert history.move(1) is None
    assert history.move(-1) is first
    assert history.move(-1) is None
    assert history.current is first
    assert history.move(1) is second


def test_an_edit_after_undo_takes_the_place_of_what_was_undone(tmp_path: Path) -> None:
    history = History()
    first, second, third = (entry(tmp_path, text) for text in ("smile", "blond", "older"))
    history.add(first, 9)
    history.add(second, 9)
    history.move(-1)
    assert history.add(third, 9) == [second]
    assert history.entries == [first, third]


def test_a_dragged_slider_is_one_edit_and_leaves_the_click_before_it(tmp_path: Path) -> None:
    history = History()
    click = entry(tmp_path)
    drags = [entry(tmp_path, tuned=True, strength=value) for value in (0.8, 0.6, 0.4)]
    history.add(click, 9)
    gone = [history.add(drag, 9) for drag in drags]
    assert gone == [[], [drags[0]], [drags[1]]]
    assert history.entries == [click, drags[2]]
    assert history.move(-1) is click


def test_a_refined_edit_replaces_its_first_look(tmp_path: Path) -> None:
    history = History()
    quick, refined = entry(tmp_path), entry(tmp_path, steps=20)
    history.add(quick, 9)
    assert history.add(refined, 9) == [quick]
    assert history.entries == [refined]


def test_what_comes_late_goes_to_its_own_entry(tmp_path: Path) -> None:
    history = History()
    first, second = entry(tmp_path, "smile"), entry(tmp_path, "blond")
    history.add(first, 9)
    history.add(second, 9)
    history.move(-1)
    late = replace(second, strip=(("a.jpg", "1"),))
    assert not history.exchange(second, late)
    assert history.current is first
    assert history.entries == [first, late]
    assert history.exchange(first, replace(first, summary="new"))
    assert not history.exchange(second, second)


def test_old_edits_are_let_go(tmp_path: Path) -> None:
    history = History()
    entries = [entry(tmp_path, f"wish {i}") for i in range(5)]
    gone = [old for one in entries for old in history.add(one, 3)]
    assert gone == entries[:2]
    assert history.current is entries[-1]


def test_an_edit_whose_files_are_gone_cannot_be_shown(tmp_path: Path) -> None:
    history = History()
    first, second = entry(tmp_path, "smile"), entry(tmp_path, "blond")
    history.add(first, 9)
    history.add(second, 9)
    Path(first.photo).unlink()
    assert history.move(-1) is None
    assert history.current is second


def test_captions_tell_the_edit(tmp_path: Path) -> None:
    assert entry(tmp_path, "smile", strength=0.5, age=-0.2).caption == "smile x 0.5 age -0.2"
    assert entry(tmp_path, "", pose=1).caption == "turn +1"


def test_result_folders_are_private_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr("apps.web.store.time.monotonic", lambda: now)
    limits = Limits(keep_s=1000, linger_s=100)
    store = ResultStore(tmp_path / "results", limits)
    mine, replaced, theirs = store.folder("me"), store.folder("me"), store.folder("you")
    assert len({mine, replaced, theirs}) == 3
    assert mine.stat().st_mode & 0o077 == 0
    (mine / "photo.png").write_bytes(b"x")
    store.drop(replaced)
    store.sweep()
    assert replaced.exists()
    now += 61
    store.sweep()
    assert not replaced.exists()
    assert mine.exists()
    store.close("me")
    now += 101
    store.sweep()
    assert not mine.exists()
    assert theirs.exists()
    now += 1000
    store.sweep()
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_an_edit_is_shown_and_saved_in_full_size(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "my photo.png")
    studio = EditService(standin_editor(faces=2))
    edit = studio.edit(EditRequest(str(tmp_path / "my photo.png"), "smile", face="all"))
    store = ResultStore(tmp_path / "results", studio.limits)
    made = make_entry(store, "me", edit, 1.0, False)
    assert Image.open(made.photo).size == (60, 50)
    assert Image.open(made.photo).mode == mode
    assert [len(pair) for pair in made.views] == [2, 2, 2]
    for pair in made.views:
        assert Image.open(pair[0]).size == Image.open(pair[1]).size
    files = write_edit(edit, made.folder)
    assert set(files) == {"edited", "face", "face2"}
    row = edit_row(studio, edit, files, 1.0)
    assert row["status"] == "ok"
    assert [face["index"] for face in row["faces"]] == [0, 1]
    assert row["outputs"]["edited"] == "my photo.edited.png"
    assert str(tmp_path) not in repr(row)


def test_views_use_the_crop_that_was_cut_for_the_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    edit = EditService(standin_editor()).edit(EditRequest(str(tmp_path / "photo.png"), "smile"))
    cut: list[np.ndarray] = []
    crop = FaceFrame.crop

    def counted(frame: FaceFrame, photo: np.ndarray) -> np.ndarray:
        cut.append(photo)
        return crop(frame, photo)

    monkeypatch.setattr(FaceFrame, "crop", counted)
    assert len(write_views(edit, tmp_path)) == 3
    assert len(cut) == 1 and cut[0] is edit.result.rgb, "only the edited photo is cut out anew"


def test_file_names_are_harmless() -> None:
    assert file_stem("/tmp/x/../a b.jpg") == "a b"
    assert file_stem(None) == file_stem("/tmp/....png") == "photo"
    assert "/" not in file_stem("/tmp/<script>&.png")
    assert len(file_stem("/tmp/" + "x" * 300 + ".png")) <= 80


def test_words_from_outside_are_escaped(tmp_path: Path) -> None:
    assert "<script>" not in words.error("<script>")
    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    studio = EditService(standin_editor())
    edit = studio.edit(EditRequest(str(tmp_path / "photo.png"), "fine weather"))
    edit.result.warnings[:] = ["<b>bold</b>"]
    text = words.summary(edit, 1.2)
    assert "&lt;b&gt;" in text
    assert "nothing that can be changed" in text
    assert "refining" not in words.summary(replace(edit, timings_s={}), 0.1)


def test_the_picker_frames_every_face(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20)).save(tmp_path / "photo.png")
    known = EditService(standin_editor(faces=2)).photo(str(tmp_path / "photo.png"))  # type: ignore[arg-type]
    text = words.picker(known, "1")
    assert text.count("<button") == 2
    assert text.count("vf-chosen") == 1
    assert "left:25.00%;top:0.00%;width:50.00%;height:100.00%" in text
    assert words.picker(known, "all").count("vf-chosen") == 2
