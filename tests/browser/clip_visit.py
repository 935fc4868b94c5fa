"""A visit to the Video tab, and a clip to bring along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fdvd.media.video import VideoInfo, VideoWriter
from tests.browser.browsing import FACES, MINUTES, Visit

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
