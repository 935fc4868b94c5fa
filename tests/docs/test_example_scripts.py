"""The scripts under examples/ run as they say, and what the packages promise about themselves holds."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gan_mapping
import vl_backbone

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_edit_one_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "edited.png"
    script = str(ROOT / "examples/edit_one_photo.py")
    monkeypatch.setattr(sys, "argv", [script, str(ROOT / "examples/astronaut.png"), "blond hair", str(target)])
    runpy.run_path(script, run_name="__main__")
    assert target.stat().st_size > 0
    assert "1 face(s)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("own_backbone.py", "a red picture fits: [1.0, 0.0]"),
        ("own_generator.py", "stripes: drew [1, 3, 64, 64]"),
        ("own_attribute.py", "the last is freckles"),
    ],
)
def test_own_parts(script: str, told: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert told in done.stdout


def test_one_version() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert gan_mapping.__version__ == vl_backbone.__version__ == declared


@pytest.mark.parametrize("package", ["vl_backbone", "fdvd", "gan_mapping", "apps"])
def test_each_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
