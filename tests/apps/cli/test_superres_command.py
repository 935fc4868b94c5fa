"""`vilaface superres` by its contract."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.cli.superres import SuperresSettings
from apps.cli.superres_clip import check_clip, is_clip
from fdvd.media.video import VideoInfo, VideoWriter, probe, read_frames
from tests.apps.app_helpers import Launch, json_rows
from vl_backbone.common.errors import InputError


def write_clip(path: Path, width: int, height: int, frames: int = 3) -> Path:
    """A clip of slowly brightening skin colour."""
    with VideoWriter(path, VideoInfo.made(width, height, 25)) as writer:
        for step in range(frames):
            writer.write(np.full((height, width, 3), (150 + 4 * step, 110, 90), np.uint8))
    return path


@pytest.mark.slow
def test_small_pictures_bad_pictures_and_samples(launch: Launch, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(80, 160, (16, 24), dtype=np.uint8))
    grey.save(tmp_path / "grey.png")
    Image.new("RGBA", (12, 12), (200, 150, 120, 128)).save(tmp_path / "alpha.png")
    frames = [Image.new("RGB", (20, 20), (90 + 60 * i, 120, 100)) for i in range(2)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (300, 200), (30, 90, 160)).save(tmp_path / "sea.png")
    names = ("grey.png", "alpha.png", "moving.gif", "dot.png", "sea.png", "none.png")
    options = ("--text", "wearing glasses", "--samples", "2", "--json", "--out", "out")
    result = launch("superres", *names, *options, cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    rows = json_rows(result.stdout)
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "failed", "failed", "failed"]
    assert any("is animated" in note for note in rows[2]["warnings"])
    for row, words in zip(rows[3:], ("needs 8 px", "No face", "no such file"), strict=True):
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


@pytest.mark.slow
def test_a_clip_of_a_small_face_becomes_a_clip(launch: Launch, tmp_path: Path) -> None:
    write_clip(tmp_path / "face.mp4", 16, 16)
    write_clip(tmp_path / "wide.mp4", 128, 96)
    result = launch("superres", "face.mp4", "wide.mp4", "--json", "--out", "out", cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    done, refused = json_rows(result.stdout)
    assert done["status"] == "ok" and done["frames"] == 3 and done["samples"][0]["worst_consistency"] <= 4
    assert any("no evidence" in note for note in done["warnings"])
    assert refused["status"] == "failed" and "no face is looked for" in refused["error"]
    written = tmp_path / "out" / "face.sr.mp4"
    assert (probe(written).width, probe(written).height) == (1024, 1024)
    assert [frame.time for frame in read_frames(written)] == pytest.approx([0, 0.04, 0.08])


def test_clips_that_cannot_be_resolved_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    def settings(samples: int = 1, aligned: bool = False) -> SuperresSettings:
        return SuperresSettings(None, 1.0, tmp_path, samples, 0, "largest", aligned, "mini", "cpu")

    assert is_clip(Path("a.MP4")) and not is_clip(Path("a.gif")) and not is_clip(Path("a.png"))
    small, large = write_clip(tmp_path / "small.mp4", 32, 24), write_clip(tmp_path / "large.mp4", 160, 120)
    assert check_clip(small, settings()).width == 32 and check_clip(large, settings(aligned=True)).width == 160
    tiny = write_clip(tmp_path / "tiny.mp4", 64, 4)
    (tmp_path / "text.mp4").write_text("not a clip")
    for clip, options, sentence in (
        (large, settings(), "pass --aligned"),
        (small, settings(samples=2), "one answer"),
        (tiny, settings(), "needs 8 px"),
        (tmp_path / "text.mp4", settings(), "not a video"),
    ):
        with pytest.raises(InputError, match=sentence):
            check_clip(clip, options)
