"""The web page in a real headless Chromium, and its endpoints through gradio's own client."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
VILAFACE = Path(sys.executable).with_name("vilaface")
ASTRONAUT = ROOT / "examples" / "astronaut.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MINUTES = 120_000  # ms; machines without a graphics card that do other things too


def start_server(log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """`vilaface serve` on a free port, ready to answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as file:
        command = [str(VILAFACE), "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=log.parent, stdout=file, stderr=file)
    end = time.monotonic() + 180
    while "Ctrl-C ends it" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    return process, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The running page; ended with Ctrl-C, which must end it quickly and cleanly."""
    log = tmp_path_factory.mktemp("serve") / "serve.log"
    process, url = start_server(log)
    try:
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
        assert "Traceback" not in log.read_text()
        assert [path.name for path in log.parent.iterdir()] == ["serve.log"]
    finally:
        process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A headless Chromium of this machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("there is no Chromium or Chrome on this machine")
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=sandbox)
        yield chromium
        chromium.close()


class Visit:
    """One open page and what it complained about or asked other machines for."""

    def __init__(self, browser: object, address: str, width: int = 1280, height: int = 900) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height})  # type: ignore[attr-defined]
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        own = (address, "data:", "blob:")
        self.page.on("request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url))
        self.page.set_default_timeout(MINUTES)
        self.page.goto(address)
        self.page.get_by_role("button", name="Edit", exact=True).wait_for()

    def upload(self, path: Path) -> None:
        with self.page.expect_response(lambda r: "/upload" in r.url and r.request.method == "POST"):
            self.page.locator("input[type=file]").first.set_input_files(str(path))

    def without_refinement(self) -> None:
        self.page.get_by_text("More settings").click()
        steps = self.page.get_by_label("number input for Refinement steps")
        steps.fill("0")
        steps.press("Tab")

    def edit(self, text: str) -> None:
        self.page.get_by_label("What should change?").fill(text)
        self.page.get_by_role("button", name="Edit", exact=True).click()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_photo_is_edited(browser: object, address: str, tmp_path: Path, width: int) -> None:
    visit = Visit(browser, address, width)
    page = visit.page
    visit.upload(ASTRONAUT)
    visit.without_refinement()
    visit.edit("add glasses")
    page.get_by_text("Understood:").wait_for()
    assert "glasses" in page.get_by_test_id("markdown").inner_text()
    pictures = page.locator(".vf-before-after img:visible")
    pictures.first.wait_for()
    assert pictures.count() >= 2
    sources = [pictures.nth(i).get_attribute("src") for i in range(2)]
    assert all(sources)
    assert sources[0] != sources[1]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the full-size PNG").click()
    saved = tmp_path / "edited.png"
    download.value.save_as(saved)
    assert Image.open(saved).size == (512, 512)
    strength = page.get_by_label("number input for Strength")
    page.get_by_label("range slider for Strength").press("ArrowLeft")
    page.get_by_text("with the face already known").wait_for()
    assert strength.input_value() == "0.95"
    page.screenshot(path=str(tmp_path / f"page-{width}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.errors == []
    assert visit.foreign == []
    page.close()


def test_bad_uploads_show_a_sentence(browser: object, address: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"this is no photo")
    visit = Visit(browser, address)
    visit.upload(bad)
    visit.page.get_by_text("not a photo in a known format").first.wait_for()
    visit.page.close()


def test_nothing_chosen_shows_a_sentence(browser: object, address: str) -> None:
    visit = Visit(browser, address)
    visit.edit("add glasses")
    visit.page.get_by_text("Choose a photo first.").wait_for()
    visit.page.close()


def test_examples_fill_in_photo_and_sentence(browser: object, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.page
    page.get_by_role("button", name="much older").click()
    page.get_by_role("button", name="Remove Image").wait_for()
    assert page.get_by_label("What should change?").input_value() == "much older"
    assert visit.errors == []
    page.close()


def test_faces_are_made(browser: object, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.page
    page.get_by_role("tab", name="Make faces").click()
    page.get_by_label("Who should it be?").fill("an old man")
    page.get_by_label("number input for How many").fill("2")
    page.get_by_role("button", name="Make faces", exact=True).click()
    page.get_by_text("seed 1").wait_for()
    assert visit.errors == []
    assert visit.foreign == []
    page.close()


def test_endpoints_answer_the_client(address: str, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    client = Client(address, verbose=False, download_files=str(tmp_path), analytics_enabled=False)
    photo = handle_file(str(ASTRONAUT))
    (before, after), file, summary, closeup = client.predict(photo, "add glasses", 1.0, 0, "largest", api_name="/edit")
    assert "glasses +" in summary
    assert len(closeup) == 2
    pixels = np.asarray(Image.open(before)), np.asarray(Image.open(after))
    assert np.array_equal(pixels[0], np.asarray(Image.open(ASTRONAUT)))
    assert np.any(pixels[0] != pixels[1])
    assert np.array_equal(pixels[1], np.asarray(Image.open(file)))

    unchanged = client.predict(photo, "add glasses", 0, 0, "largest", api_name="/edit")[1]
    assert np.array_equal(np.asarray(Image.open(unchanged)), pixels[0])

    made = client.predict("an old man", 2, 3, api_name="/generate")
    assert [item["caption"] for item in made] == ["seed 3", "seed 4"]

    with pytest.raises(AppError, match="Say what to change"):
        client.predict(photo, " ", 1.0, 0, "largest", api_name="/edit")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"this is no photo")
    with pytest.raises(AppError, match="not a photo in a known format"):
        client.predict(handle_file(str(bad)), "add glasses", 1.0, 0, "largest", api_name="/edit")
    with pytest.raises(AppError, match="text is empty"):
        client.predict(" ", 2, 3, api_name="/generate")


def test_a_polite_kill_ends_it_too(tmp_path: Path) -> None:
    process, _ = start_server(tmp_path / "serve.log")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
