"""`python tests/browser/screenshots.py`: the pictures of docs/tour.md, taken by the browser of the tests."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.browsing import FACES, Server, Visit, find_browser, two_people
from tests.browser.clip_visit import ClipVisit, short_clip
from tests.paths import ROOT

OUT = ROOT / "docs" / "screenshots"
WIDTH = 1000


def main(address: str | None = None) -> None:
    """Takes all pictures; address: of a running page, else one is started."""
    browser_path = find_browser()
    assert browser_path, "there is no Chromium or Chrome on this machine"
    OUT.mkdir(exist_ok=True)
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = None if address else Server(Path(folder))
        try:
            browser = driver.chromium.launch(executable_path=browser_path, args=sandbox)
            take_all(browser, address or server.address, Path(folder))  # type: ignore[union-attr]
            browser.close()
        finally:
            if server:
                server.stop()


def take_all(browser: Any, address: str, folder: Path) -> None:
    with Visit(browser, address) as visit:
        visit.page.wait_for_timeout(1000)
        shoot(visit, "start")
        visit.open(FACES / "woman.jpg")
        visit.without_refinement()
        visit.edit("glasses and blond hair")
        visit.page.locator(".vf-strip:visible img").nth(4).wait_for()
        visit.slide("Age", 4)
        shoot(visit, "edit")
        visit.page.get_by_role("tab", name="Generate").click()
        visit.page.get_by_label("Who should it be?").fill("an old man with glasses")
        visit.button("Make faces").click()
        visit.page.get_by_text("seed 3").wait_for()
        shoot(visit, "generate")
        visit.page.get_by_role("tab", name="Super-resolve").click()
        visit.page.get_by_text("16x16 pixels").first.wait_for()
        visit.page.locator(".vf-examples:visible button").nth(1).click()
        visit.page.get_by_text("shrunk to 16x16").wait_for()
        shoot(visit, "superres")
    take_video(browser, address, folder)
    with Visit(browser, address, 390, dark=True) as visit:
        visit.open(two_people(folder / "two.jpg"))
        visit.without_refinement()
        visit.page.locator(".vf-face").nth(1).click()
        visit.page.locator(".vf-face.vf-chosen[data-face='1']").wait_for()
        visit.edit("a beard")
        visit.page.locator(".vf-strip:visible img").nth(4).wait_for()
        shoot(visit, "phone")


def take_video(browser: Any, address: str, folder: Path) -> None:
    with ClipVisit(browser, address) as visit:
        visit.upload(short_clip(folder / "clip.mp4"))
        visit.ask("add glasses", 0)
        visit.changed("")
        visit.played()
        shoot(visit, "video")


def shoot(visit: Visit, name: str) -> None:
    """One picture of the whole page as a small JPEG."""
    visit.page.mouse.move(0, 0)
    visit.page.wait_for_timeout(1500)
    image = Image.open(io.BytesIO(visit.page.screenshot(full_page=True))).convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.save(OUT / f"{name}.jpg", quality=80, optimize=True, progressive=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
