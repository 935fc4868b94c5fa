"""How the page is served: nothing called outside, a password where one is set, a clean end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from tests.browser.browsing import VILAFACE, Server
from tests.paths import ASTRONAUT

pytestmark = pytest.mark.browser

# Writes down every address that Python code of the server looks up or connects to.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        with open(os.environ["WATCH_LOG"], "a") as file:
            print(event, arguments[1] if event == "socket.connect" else arguments[0], file=file)
sys.addaudithook(watch)
"""


def test_a_page_with_a_password_calls_nobody_and_lets_in_only_those_who_know_it(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "password").write_text("open sesame\n")
    watched = tmp_path / "watched.log"
    watched.touch()
    server = Server(
        tmp_path,
        "--auth-user",
        "ali",
        "--auth-password-file",
        str(tmp_path / "password"),
        PYTHONPATH=str(tmp_path),
        WATCH_LOG=str(watched),
    )
    try:
        for wrong in (None, ("ali", "open"), ("baba", "open sesame")):
            with pytest.raises(Exception, match=r"(?i)auth|credentials|401|login"):
                Client(server.address, verbose=False, auth=wrong, analytics_enabled=False)
        api = Client(server.address, verbose=False, auth=("ali", "open sesame"), download_files=str(tmp_path / "files"))
        photo = handle_file(str(ASTRONAUT))
        assert api.predict(photo, "smile", 1, 0, api_name="/edit")[2]["status"] == "ok"
        page = browser.new_page()
        foreign: list[str] = []
        page.on("request", lambda r: None if r.url.startswith(server.address) else foreign.append(r.url))
        page.goto(server.address)
        page.get_by_label("username").fill("ali")
        page.get_by_label("password").fill("open sesame")
        page.get_by_role("button", name="Login").click()
        page.get_by_role("button", name="Edit", exact=True).wait_for(timeout=120_000)
        page.close()
        assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []
    finally:
        server.stop(signal.SIGTERM)
    contacts = set(watched.read_text().splitlines())
    assert contacts
    local = ("127.0.0.1", "localhost", "0.0.0.0", "::1", "None")
    assert [line for line in contacts if not any(name in line for name in local)] == []


def test_ctrl_c_ends_cleanly_while_a_face_is_drawn(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        api = Client(server.address, verbose=False, analytics_enabled=False)
        job = api.submit("an old man", 8, 0, api_name="/generate")
        while job.status().code is not Status.PROGRESS:
            assert not job.done()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("options", "environment", "sentence"),
    [
        (("--auth-user", "ali"), {}, "no password"),
        ((), {"VILAFACE_AUTH_PASSWORD": "secret"}, "no user name"),
        (("--auth-user", "ali", "--auth-password-file", "missing"), {}, "cannot be read"),
        (("--host", "no.such.host.invalid"), {}, "Cannot listen on"),
    ],
)
def test_a_page_that_cannot_be_as_asked_does_not_open(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str], sentence: str
) -> None:
    import os

    done = subprocess.run(
        [str(VILAFACE), "serve", *options],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
