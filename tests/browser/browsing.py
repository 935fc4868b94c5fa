"""A real server, a real headless Chromium, and the clicks that several tests make."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.paths import ROOT

VILAFACE = Path(sys.executable).with_name("vilaface")
FACES = ROOT / "apps" / "web" / "example_photos"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MINUTES = 240_000  # ms; machines without a graphics card that do other things too


class Server:
    """`vilaface serve` on a free port, ready to answer."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.log = folder / "serve.log"
        self.address = f"http://127.0.0.1:{port}"
        settings = {**os.environ, "TMPDIR": str(self.temporary), **environment}
        with self.log.open("wb") as file:
            command = [str(VILAFACE), "serve", "--port", str(port), *options]
            self.process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=settings)
        end = time.monotonic() + 400
        while "Ctrl-C ends it" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def files(self) -> list[Path]:
        """What visitors have left on its disk."""
        return [path for path in self.temporary.rglob("*") if path.is_file()]

    def complaints(self) -> int:
        """Tracebacks in its log, but for gradio's own when someone asks for a file that is not theirs."""
        log = self.log.read_text()
        return log.count("Traceback (most") - log.count("InvalidPathError: ")

    def stop(self, number: int = signal.SIGINT) -> None:
        """Ends it as Ctrl-C does; it must end quickly, cleanly and leave nothing behind."""
        self.process.send_signal(number)
        try:
            code = self.process.wait(60)
            assert code in (0, 130), f"ended with {code}: {self.log.read_text()[-3000:]}"
            assert self.complaints() == 0, self.log.read_text()
            assert self.files() == []
        finally:
            self.process.kill()


def find_browser() -> str | None:
    """The path of this machine's Chromium or Chrome."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Visit:
    """One open page of a visitor of their own, and what it complained about or asked other machines for."""

    def __init__(self, browser: Any, address: str, width: int = 1280, dark: bool = False) -> None:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.context = context
        self.page = context.new_page()
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        own = (address, "data:", "blob:")
        self.page.on("request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url))
        self.page.set_default_timeout(MINUTES)
        self.page.goto(address)
        self.button("Edit").wait_for()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        complaints = self.errors + self.foreign
        self.context.close()
        if kind is None:
            assert complaints == []

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def action(self, name: str) -> Any:
        """A button below the result (the picture's own toolbar has an Undo, too)."""
        return self.page.locator(".vf-buttons").get_by_role("button", name=name, exact=True)

    def upload(self, path: Path) -> None:
        with self.page.expect_response(lambda r: "/upload" in r.url and r.request.method == "POST"):
            self.page.locator("input[type=file]").first.set_input_files(str(path))

    def open(self, path: Path) -> None:
        """Uploads a photo and waits for its faces."""
        self.upload(path)
        self.page.locator(".vf-face").first.wait_for()

    def without_refinement(self) -> None:
        self.page.get_by_text("More settings").click()
        self.refine(0)

    def refine(self, steps: int) -> None:
        field = self.page.get_by_label("number input for Refinement steps")
        field.fill(str(steps))
        field.press("Tab")

    def say(self, text: str) -> None:
        self.page.get_by_label("What should change?").fill(text)

    def edit(self, text: str) -> None:
        """A sentence, the button, and the wait for the answer's own sentence."""
        self.say(text)
        before = self.summary()
        self.button("Edit").click()
        self.changed(before)
        self.button("Edit").wait_for()

    def summary(self) -> str:
        shown = self.page.locator("dl.vf-summary:visible")
        return str(shown.first.inner_text()) if shown.count() else ""

    def changed(self, before: str) -> str:
        """Waits until the summary is another one than `before`."""
        end = time.monotonic() + MINUTES / 1000
        while (now := self.summary()) in ("", before):
            assert time.monotonic() < end, f"nothing came after {before!r}"
            self.page.wait_for_timeout(100)
        return now

    def slide(self, name: str, presses: int, key: str = "ArrowRight") -> str:
        """Moves a slider with the keyboard; returns the new summary."""
        before = self.summary()
        slider = self.page.get_by_label(f"range slider for {name}")
        for _ in range(presses):
            slider.press(key)
        return self.changed(before)

    def pictures(self) -> list[str]:
        """Addresses of the visible pair of pictures, before and after."""
        shown = self.page.locator(".vf-before-after img:visible")
        shown.nth(1).wait_for()
        return [str(shown.nth(i).get_attribute("src")) for i in range(2)]

    def download(self, name: str, path: Path) -> Image.Image:
        with self.page.expect_download() as download:
            self.button(name).click()
        download.value.save_as(path)
        return Image.open(path)


def two_people(path: Path) -> Path:
    """A photo of two people, the left one larger."""
    left, right = Image.open(FACES / "woman.jpg"), Image.open(FACES / "man.jpg").resize((460, 460))
    photo = Image.new("RGB", (1100, 640), (226, 224, 220))
    photo.paste(left, (0, 0))
    photo.paste(right, (640, 120))
    photo.save(path, quality=92)
    return path


def no_face(path: Path) -> Path:
    """A sound photo of nobody."""
    rows = np.linspace(80, 220, 240, dtype=np.uint8)
    Image.fromarray(np.repeat(rows[:, None, None], 320, axis=1).repeat(3, axis=2)).save(path)
    return path
