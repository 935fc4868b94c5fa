"""`vilaface video`, as people call it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdvd.media.photos import load_photo
from fdvd.media.video import VideoInfo, VideoWriter, probe, read_frames
from tests.apps.app_helpers import VILAFACE, Launch, json_rows


@pytest.fixture(scope="module")
def clip(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of a real face that drifts to the right."""
    photo = Image.fromarray(load_photo(astronaut).rgb).resize((320, 320))
    path = tmp_path_factory.mktemp("clip") / "drift.mp4"
    with VideoWriter(path, VideoInfo.made(240, 240, 12)) as writer:
        for i in range(8):
            writer.write(np.asarray(photo.crop((40 - 2 * i, 0, 280 - 2 * i, 240))))
    return path


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["none.mp4", "--text", "a smile", "--out", "out.mp4"], 1, "no such file"),
        (["CLIP", "--text", "", "--out", "out.mp4"], 1, "text is empty"),
        (["CLIP", "--text", "a smile", "--strength", "nan", "--out", "out.mp4"], 1, "Strength"),
        (["CLIP", "--text", "a smile", "--out", "out.gif"], 2, "must end in"),
        (["CLIP", "--text", "a smile", "--out", "."], 2, "--out"),
        (["CLIP", "--text", "a smile", "--out", "out.mp4", "--preset", "none"], 2, "preset"),
    ],
)
def test_bad_calls(launch: Launch, clip: Path, tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    done = launch("video", *[str(clip) if a == "CLIP" else a for a in arguments], "--json", cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr and "Traceback" not in done.stderr
    rows = json_rows(done.stdout)
    assert len(rows) == (code == 1)
    assert all(row["status"] == "failed" and row["error"] and row["task"] == "video" for row in rows)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_clip_is_edited(launch: Launch, clip: Path, tmp_path: Path) -> None:
    done = launch(
        "video", str(clip), "--text", "black hair", "--refine", "0", "--out", "new/out.mp4", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (row,) = json_rows(done.stdout)
    assert (row["status"], row["task"], row["frames"], row["audio"]) == ("ok", "video", 8, "none")
    assert row["intents"]["black_hair"] > 0 and len(row["shots"]) == len(row["faces"]) == 1
    out = tmp_path / row["outputs"]["edited"]
    assert (probe(out).width, probe(out).height, probe(out).duration) == (240, 240, probe(clip).duration)
    pairs = list(zip(read_frames(clip), read_frames(out), strict=True))
    assert [before.pts for before, _ in pairs] == [after.pts for _, after in pairs]
    changes = [np.abs(after.rgb.astype(int) - before.rgb).mean() for before, after in pairs]
    assert min(changes) > 3 and max(changes) < 2 * min(changes)
    assert all(after.rgb.mean() < before.rgb.mean() - 1 for before, after in pairs), "black hair is darker"
    assert [path.name for path in out.parent.iterdir()] == ["out.mp4"]


@pytest.mark.slow
def test_an_interrupted_call_goes_on(launch: Launch, clip: Path, tmp_path: Path) -> None:
    call = ["video", str(clip), "--text", "blond hair", "--refine", "0", "--out", "out.mp4", "--json"]
    running = subprocess.Popen(
        [str(VILAFACE), *call],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    work = tmp_path / ".out.mp4.work"
    deadline = time.monotonic() + 300
    while not (work / "faces.jsonl").is_file() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130 and b"Traceback" not in errors and b"goes on from there" in errors
    assert not (tmp_path / "out.mp4").exists() and work.is_dir()
    done = launch(*call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
