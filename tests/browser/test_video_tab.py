"""The Video tab in a real headless Chromium: a clip goes in, is stopped, is edited, plays and is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdvd.media.video import read_frames
from tests.browser.browsing import FACES, Server
from tests.browser.clip_visit import FRAMES, RATE, SIDE, ClipVisit, short_clip

pytestmark = pytest.mark.browser


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
