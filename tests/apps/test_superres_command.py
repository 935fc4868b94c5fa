"""`vilaface superres` by its contract."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from app_helpers import Launch, json_rows
from PIL import Image


@pytest.mark.slow
def test_small_pictures_bad_pictures_and_samples(launch: Launch, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(80, 160, (16, 24), dtype=np.uint8))
    grey.save(tmp_path / "grey.png")
    Image.new("RGBA", (12, 12), (200, 150, 120, 128)).save(tmp_path / "alpha.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (300, 200), (30, 90, 160)).save(tmp_path / "sea.png")
    names = ("grey.png", "alpha.png", "dot.png", "sea.png", "none.png")
    options = ("--text", "wearing glasses", "--samples", "2", "--json", "--out", "out")
    result = launch("superres", *names, *options, cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    rows = json_rows(result.stdout)
    assert [row["status"] for row in rows] == ["ok", "ok", "failed", "failed", "failed"]
    for row, words in zip(rows[2:], ("needs 8 px", "No face", "no such file"), strict=True):
        assert words in row["error"]
    grey_row = rows[0]
    assert grey_row["task"] == "superres" and grey_row["intents"]["glasses"] > 0
    assert any("no evidence" in note for note in grey_row["warnings"])
    assert any("only the square" in note for note in grey_row["warnings"])
    assert Path(grey_row["outputs"]["sr"]).name == "grey.sr1.png"
    assert all(sample["consistency"] <= 4 for sample in grey_row["samples"])
    for name in ("grey.sr1.png", "grey.sr2.png"):
        assert Image.open(tmp_path / "out" / name).size == (1024, 1024)
    assert json.loads((tmp_path / "out" / "grey.json").read_text())["faces"][0]["pixels"] == 16


def test_unusable_options_are_exit_2(launch: Launch, tmp_path: Path) -> None:
    result = launch("superres", "a.png", "--face", "all", cwd=tmp_path)
    assert result.returncode == 2 and "--face" in result.stderr
