"""The Edit tab in a real headless Chromium, with the real networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.browsing import FACES, Server, Visit, no_face, two_people
from tests.paths import ASTRONAUT

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_photo_is_edited(browser: Any, server: Server, tmp_path: Path, width: int, dark: bool) -> None:
    with Visit(browser, server.address, width, dark) as visit:
        page = visit.page
        visit.open(ASTRONAUT)
        page.get_by_text("One face found.").wait_for()
        visit.without_refinement()
        visit.edit("add glasses")
        assert "glasses" in visit.summary()
        before, after = visit.pictures()
        assert before != after
        saved = visit.download("Download photo", tmp_path / "edited.png")
        original = np.asarray(Image.open(ASTRONAUT))
        assert np.asarray(saved).shape == original.shape
        changed = (np.asarray(saved) != original).any(axis=2)
        assert changed.any()
        assert not changed[300:].any()
        assert visit.download("Download face", tmp_path / "face.png").size == (1024, 1024)
        page.get_by_role("tab", name="Face", exact=True).click()
        assert len(set(visit.pictures()) - {before, after}) == 2
        page.locator(".vf-strip:visible img").nth(4).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(int(v) for v in background[4:-1].split(",")[:3]) < 60) == dark


def test_sliders_and_strengths_draw_from_the_latent_in_hand(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as visit:
        visit.open(FACES / "woman.jpg")
        visit.without_refinement()
        visit.edit("blond hair")
        first = visit.pictures()[1]
        for name in ("Age", "Smile", "Turn", "Strength"):
            summary = visit.slide(name, 3)
            assert "the face was known already" in summary
            assert "finding faces" not in summary
            assert "reading the face" not in summary
        assert visit.pictures()[1] != first
        before = visit.summary()
        visit.page.locator(".vf-strip:visible").first.locator("button").nth(4).click()
        visit.changed(before)
        assert visit.page.get_by_label("number input for Strength").input_value() == "1.5"
        # The same face with another sentence: neither found nor read again.
        visit.edit("black hair")
        assert "the face was known already" in visit.summary()


def test_undo_redo_and_history(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as visit:
        visit.open(FACES / "woman.jpg")
        visit.without_refinement()
        assert not visit.action("Undo").is_visible()
        visit.edit("blond hair")
        blond = visit.pictures()[1]
        assert visit.action("Undo").is_disabled()
        visit.edit("add glasses")
        glasses = visit.pictures()[1]
        for name, picture, words in (("Undo", blond, "blond hair"), ("Redo", glasses, "add glasses")):
            before = visit.summary()
            visit.action(name).click()
            visit.changed(before)
            assert visit.pictures()[1] == picture
            assert visit.page.get_by_label("What should change?").input_value() == words
        before = visit.summary()
        visit.page.locator(".vf-strip:visible").last.locator("button").first.click()
        visit.changed(before)
        assert visit.pictures()[1] == blond


def test_one_of_two_faces_is_picked(browser: Any, server: Server, tmp_path: Path) -> None:
    photo = two_people(tmp_path / "two.jpg")
    original = np.asarray(Image.open(photo)).astype(int)
    with Visit(browser, server.address) as visit:
        visit.open(photo)
        page = visit.page
        assert page.locator(".vf-face").count() == 2
        page.get_by_text("2 faces found").wait_for()
        visit.without_refinement()
        page.locator(".vf-face").nth(1).click()
        page.locator(".vf-face.vf-chosen[data-face='1']").wait_for()
        visit.edit("add glasses")
        edited = np.asarray(visit.download("Download photo", tmp_path / "edited.png")).astype(int)
        changed = np.abs(edited - original).max(axis=2) > 0
        assert changed[:, 700:].any()
        assert not changed[:, :560].any()


def test_an_example_works_in_one_click(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as visit:
        visit.without_refinement()
        visit.page.locator(".vf-examples button").nth(3).click()
        summary = visit.changed("")
        assert "age" in summary
        assert visit.page.get_by_label("What should change?").input_value() == "much younger"
        visit.button("Edit").wait_for()
        visit.page.locator(".vf-chips").get_by_text("add glasses").click()
        assert "glasses" in visit.changed(summary)


def test_files_that_are_no_photo_or_too_large_are_told(browser: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no photo")
    (tmp_path / "huge.jpg").write_bytes((FACES / "man.jpg").read_bytes() + bytes(42_000_000))
    for name, sentence in (("note.txt", "Invalid file type"), ("huge.jpg", "maximum allowed size of 40.0")):
        with Visit(browser, server.address) as visit:
            visit.page.locator("input[type=file]").first.set_input_files(str(tmp_path / name))
            visit.page.get_by_text(sentence).first.wait_for()
            # The refused upload is an error in the browser's console, too.
            visit.errors.clear()


@pytest.mark.parametrize("kind", ["damaged", "no face", "nothing", "no words"])
def test_what_cannot_be_done_is_a_sentence(browser: Any, server: Server, tmp_path: Path, kind: str) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"this is no photo")
    with Visit(browser, server.address) as visit:
        if kind in ("damaged", "no face"):
            visit.upload(damaged if kind == "damaged" else no_face(tmp_path / "sky.png"))
            sentence = "not a photo in a known format" if kind == "damaged" else "No face was found."
        else:
            if kind == "no words":
                visit.open(ASTRONAUT)
            visit.button("Edit").click()
            sentence = "Choose a photo first." if kind == "nothing" else "Say what to change"
        alert = visit.page.get_by_role("alert").filter(has_text=sentence)
        alert.first.wait_for()
        # And the page still works.
        visit.button("Edit").wait_for()


def test_a_cancelled_edit_keeps_its_first_look(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as visit:
        visit.open(FACES / "old-man.jpg")
        visit.page.get_by_text("More settings").click()
        visit.refine(100)
        visit.say("add glasses")
        visit.button("Edit").click()
        summary = visit.changed("")
        assert "not refined" in summary
        visit.button("Cancel").click()
        visit.button("Edit").wait_for()
        # The next edit does not have to wait for the hundred steps.
        visit.refine(0)
        visit.edit("no smile")
        assert "not refined" in visit.summary()


def test_two_visitors_have_edits_of_their_own(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as one, Visit(browser, server.address) as two:
        for visit, photo in ((one, "man.jpg"), (two, "woman.jpg")):
            visit.open(FACES / photo)
            visit.without_refinement()
        one.say("add glasses")
        two.say("blond hair")
        one.button("Edit").click()
        two.button("Edit").click()
        assert "glasses" in one.changed("")
        assert "blond hair" in two.changed("")
        mine, theirs = set(one.pictures()), set(two.pictures())
        assert not mine & theirs
        # A visitor who starts anew sees nothing of either.
        with Visit(browser, server.address) as third:
            assert third.summary() == ""
            assert third.page.locator(".vf-face").count() == 0
