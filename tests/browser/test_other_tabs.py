"""Generate and About in a real headless Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.browsing import Server, Visit

pytestmark = pytest.mark.browser


def test_faces_are_made_and_can_be_edited(browser: Any, server: Server, tmp_path: Path) -> None:
    with Visit(browser, server.address) as visit:
        page = visit.page
        page.get_by_role("tab", name="Generate").click()
        page.get_by_label("Who should it be?").fill("an old man")
        page.get_by_label("number input for How many").fill("2")
        visit.button("Make faces").click()
        page.get_by_text("seed 1").wait_for()
        assert "age" in visit.summary()
        assert visit.download("Download face 1", tmp_path / "face.png").size == (1024, 1024)
        visit.button("Edit face 1").click()
        page.locator(".vf-face").first.wait_for()
        visit.button("Edit").wait_for()


def test_an_example_is_super_resolved(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as visit:
        visit.page.get_by_role("tab", name="Super-resolve").click()
        visit.page.get_by_text("16x16 pixels").first.wait_for()
        visit.page.locator(".vf-examples:visible button").nth(1).click()
        visit.page.get_by_text("shrunk to 16x16").wait_for()


def test_about_says_what_to_know(browser: Any, server: Server) -> None:
    with Visit(browser, server.address) as visit:
        visit.page.get_by_role("tab", name="About").click()
        for words in ("What it gets wrong", "people who agreed", "40 MB", "up to 64 wait", "/edit"):
            visit.page.get_by_text(words).first.wait_for()
