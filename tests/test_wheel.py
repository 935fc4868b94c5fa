"""The wheel: it carries all that the packages read, and works from another folder without the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ASTRONAUT, ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("vl_backbone", "fdvd", "gan_mapping", "apps")
NOT_FROM_THE_CHECKOUT = """
import importlib, sys
for name in sys.argv[1:]:
    print(importlib.import_module(name).__file__)
"""


def call(command: list[str | Path], cwd: Path) -> str:
    """Standard output of a command that must succeed, in that folder, with no path to the checkout."""
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def environment() -> dict[str, str]:
    """This environment but for what leads Python elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout; hatchling is fetched where it is not installed."""
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    call([sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", *isolation, "-w", str(folder)], folder)
    (path,) = folder.glob("vilaface-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment: the wheel, and the libraries of the one that runs the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    call([sys.executable, "-m", "venv", "--without-pip", "venv"], folder)
    programs = folder / "venv" / "bin"
    python = programs / "python"
    # Before the libraries are added, or pip would see the editable install among them.
    call([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel], folder)
    site = Path(call([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    # Folders named in a .pth file are searched last, and .pth files in them, such as an editable install's, count not.
    shared = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "libraries.pth").write_text("\n".join(shared), encoding="utf-8")
    return programs


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder that is no checkout."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    yield folder


def test_the_wheel_carries_every_file_of_the_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    wanted = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert wanted - names == set()
    assert "apps/web/example_photos/astronaut.png" in names
    for name in ("apps/configs/mappers/mini.yaml", "apps/web/style.css", "gan_mapping/weights/mini.safetensors"):
        assert name in names
    strangers = {name.split("/")[0] for name in names} - set(PACKAGES)
    assert all(name.endswith(".dist-info") for name in strangers)


def test_modules_come_from_the_wheel(installed: Path, elsewhere: Path) -> None:
    modules = [*PACKAGES, "apps.configs", "gan_mapping.training.closed_form.recipe", "vl_backbone.weights"]
    printed = call([installed / "python", "-c", NOT_FROM_THE_CHECKOUT, *modules], elsewhere).split()
    assert len(printed) == len(modules)
    assert all(Path(file).is_relative_to(installed.parent) for file in printed), printed
    code = "from apps.web.examples import available, tiny_examples; print(len(available()), len(tiny_examples()))"
    assert call([installed / "python", "-c", code], elsewhere).split() == ["4", "3"]


def test_edit_and_batch(installed: Path, elsewhere: Path) -> None:
    (elsewhere / "face.png").write_bytes(ASTRONAUT.read_bytes())
    told = call(
        [installed / "vilaface", "edit", "face.png", "--text", "big smile", "--refine", "0", "--out", "out", "--json"],
        elsewhere,
    )
    assert json.loads(told.splitlines()[0])
    assert list((elsewhere / "out").rglob("*.png"))
    (elsewhere / "jobs.jsonl").write_text('{"image": "face.png", "text": "add glasses", "refine": 0}\n')
    call([installed / "vilaface", "batch", "jobs.jsonl", "--out", "results"], elsewhere)
    assert list((elsewhere / "results").rglob("*.png"))


def test_recipes_are_found_by_name(installed: Path, elsewhere: Path) -> None:
    code = (
        "from apps.configs import recipe_path;"
        "from gan_mapping.training.closed_form.recipe import RecipeConfig, load_config;"
        "print(load_config(recipe_path('mappers', 'mini')) == RecipeConfig())"
    )
    assert call([installed / "python", "-c", code], elsewhere).strip() == "True"


def test_serve(installed: Path, elsewhere: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = elsewhere / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [installed / "vilaface", "serve", "--port", str(port)],
            cwd=elsewhere,
            env=environment(),
            stdout=file,
            stderr=file,
        )
    try:
        end = time.monotonic() + 400
        while "Ctrl-C ends it" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            page = answer.read().decode()
        assert answer.status == 200 and "VilaFace" in page
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130), log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
