"""The Video tab in a real headless Chromium: a clip goes in, is stopped, is edited, plays and is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import FACES, MINUTES, Server, Visit
from PIL import Image

from fdvd.video import VideoInfo, VideoWriter, read_frames

pytestmark = pytest.mark.browser

SIDE, FRAMES, RATE = 320, 3, 3


def short_clip(path: Path) -> Path:
    """One second of a face that drifts."""
    face = Image.open(FACES / "man.jpg").convert("RGB").resize((SIDE + 8, SIDE + 8))
    with VideoWriter(path, VideoInfo.made(SIDE, SIDE, RATE), audio=False) as writer:
        for number in range(FRAMES):
            writer.write(np.asarray(face.crop((number, 0, number + SIDE, SIDE))), number)
    return path


class ClipVisit(Visit):
    """A visit to the Video tab."""

    def __init__(self, browser: Any, address: str) -> None:
        super().__init__(browser, address)
        self.page.get_by_role("tab", name="Video").click()
        self.button("Edit clip").wait_for()

    def upload(self, path: Path) -> None:
        with self.page.expect_response(lambda r: "/upload" in r.url and r.request.method == "POST"):
            self.page.locator("input[type=file][accept*=video]").set_input_files(str(path))
        self.page.locator("video").first.wait_for()

    def ask(self, text: str, steps: int) -> None:
        """A sentence and a number of refinement steps, then the button."""
        self.page.locator("label:visible", has_text="What should change?").locator("input, textarea").fill(text)
        field = self.page.locator("input[aria-label='number input for Refinement steps']:visible")
        if not field.count():
            self.page.locator("button:visible", has_text="More settings").click()
            field.wait_for()
        field.fill(str(steps))
        field.press("Tab")
        self.button("Edit clip").click()

    def played(self) -> dict[str, float]:
        """What the browser itself says of the result."""
        shown = self.page.locator("video:visible").last
        self.page.wait_for_function("video => video.readyState > 1", arg=shown.element_handle(), timeout=MINUTES)
        return dict(shown.evaluate("v => ({width: v.videoWidth, height: v.videoHeight, seconds: v.duration})"))


def test_a_clip_is_stopped_then_edited_played_and_downloaded(browser: Any, server: Server, tmp_path: Path) -> None:
    clip = short_clip(tmp_path / "holiday.mp4")
    with ClipVisit(browser, server.address) as visit:
        visit.upload(clip)
        visit.ask("add glasses", 100)
        visit.button("Cancel").click()
        visit.button("Edit clip").wait_for()
        assert visit.summary() == ""
        visit.ask("add glasses", 0)
        summary = visit.changed("")
        assert "glasses" in summary and "3 frames in 1 shot" in summary
        assert visit.played() == {"width": SIDE, "height": SIDE, "seconds": pytest.approx(FRAMES / RATE, abs=0.05)}
        with visit.page.expect_download() as download:
            visit.button("Download clip").click()
        assert download.value.suggested_filename == "holiday.edited.mp4"
        download.value.save_as(tmp_path / "edited.mp4")
    pairs = list(zip(read_frames(clip), read_frames(tmp_path / "edited.mp4"), strict=True))
    assert [before.pts for before, _ in pairs] == [after.pts for _, after in pairs]
    assert all(np.abs(before.rgb.astype(int) - after.rgb).max() > 60 for before, after in pairs)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("nothing", "Choose a clip first."),
        ("no words", "Say what to change"),
        ("text", "The clip is not a video that can be read"),
        ("photo", "The clip is a picture, not a video"),
        ("empty", "empty"),
    ],
)
def test_what_is_no_clip_is_a_sentence(browser: Any, server: Server, tmp_path: Path, kind: str, sentence: str) -> None:
    bad = tmp_path / "bad.mp4"
    with ClipVisit(browser, server.address) as visit:
        if kind == "no words":
            visit.upload(short_clip(bad))
        elif kind != "nothing":
            content = {"text": b"no clip", "photo": (FACES / "man.jpg").read_bytes(), "empty": b""}
            bad.write_bytes(content[kind])
            visit.upload(bad)
        visit.ask("" if kind == "no words" else "a smile", 0)
        visit.page.get_by_role("alert").filter(has_text=sentence).first.wait_for()
        visit.button("Edit clip").wait_for()
        # The player of the browser complains of the file, too: of what is in it, or that nothing is.
        visit.errors = [text for text in visit.errors if kind != "empty" or "Failed to load resource" not in text]
