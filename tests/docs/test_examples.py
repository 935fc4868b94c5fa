"""The Python examples of the documentation run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdvd.media.video import VideoInfo, VideoWriter, probe
from tests.paths import ROOT

# docs/hdvila.md is left out: its example reads the official weights, which only users can have.
PAGES = ("README.md", "docs/cookbook.md", "docs/data.md", "docs/extending.md", "docs/hdvila-mini.md", "docs/video.md")
NEEDS_A_SERVER = "# server: vilaface serve"


def examples() -> list[tuple[str, str]]:
    """(page, code) of every Python block."""
    found = []
    for page in PAGES:
        for code in re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S):
            found.append((page, code))
    return found


def talk(path: Path) -> None:
    """Two frames of a face, for the example that edits a clip."""
    photo = Image.open(ROOT / "apps" / "web" / "example_photos" / "woman.jpg").convert("RGB").resize((256, 256))
    with VideoWriter(path, VideoInfo.made(256, 256, 25), audio=False) as writer:
        for _ in range(2):
            writer.write(np.asarray(photo))


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **names: object) -> dict[str, object]:
    """Runs an example in a folder that has the repository's examples in it."""
    (folder / "examples").symlink_to(ROOT / "examples")
    talk(folder / "talk.mp4")
    monkeypatch.chdir(folder)
    space: dict[str, object] = dict(names)
    exec(compile(code, "example", "exec"), space)  # our own text, from the repository
    return space


def test_there_are_examples() -> None:
    assert {page for page, _ in examples()} == set(PAGES)
    assert any(NEEDS_A_SERVER in code for _, code in examples())


@pytest.mark.slow
@pytest.mark.parametrize("number", [i for i, (_, code) in enumerate(examples()) if NEEDS_A_SERVER not in code])
def test_an_example_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, code = examples()[number]
    run(code, tmp_path, monkeypatch)
    if page == "docs/cookbook.md":
        assert (tmp_path / "out" / "glasses.png").is_file()
    if page == "docs/video.md":
        assert probe(tmp_path / "talk.edited.mp4").frames == 2


@pytest.mark.browser
def test_the_client_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "browser"))
    sys.modules.pop("browsing", None)
    from tests.browser.browsing import Server

    (code,) = (code for _, code in examples() if NEEDS_A_SERVER in code)
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    try:
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "answers"))
        space = run(code, tmp_path, monkeypatch, address=server.address)
        assert len(space["faces"]) == 2  # type: ignore[arg-type]
        assert space["details"]["status"] == "ok"  # type: ignore[index]
    finally:
        server.stop()
