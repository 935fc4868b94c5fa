"""`vilaface data synth` as people run it: usage errors, a real build in shards, a build that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from fdvd.datasets.sources import open_dataset
from tests.apps.app_helpers import VILAFACE, Launch

SMALL = ("--frames", "3", "--hr-size", "128", "--lr-size", "32", "--block", "1", "--device", "cpu")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shard", "2"], "write I/N"),
        (["--shard", "4/4"], "0 <= I < N"),
        (["--shard", "0/0"], "0 <= I < N"),
        (["--frames", "2"], "must be odd"),
        (["--clips", "0"], "clips must be a whole number"),
        (["--hr-size", "500"], "divisor"),
        (["--device", "tpu"], "Unknown device"),
    ],
)
def test_usage_errors(launch: Launch, tmp_path: Path, arguments: list[str], words: str) -> None:
    done = launch("data", "synth", "--out", "set", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "set" / "manifest.jsonl").exists()


def test_out_that_is_a_file(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "set").write_text("taken")
    done = launch("data", "synth", "--out", "set", cwd=tmp_path)
    assert done.returncode == 2 and "is a file" in done.stderr


@pytest.mark.slow
def test_shards_make_one_data_set(launch: Launch, tmp_path: Path) -> None:
    for shard in ("1/2", "0/2"):
        done = launch("data", "synth", "--out", "set", "--clips", "3", "--shard", shard, *SMALL, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "mean AUC 0.9" in done.stderr.replace("\n", " ")
        assert (tmp_path / "set" / "manifest.jsonl").exists() == (shard == "0/2")
    dataset = open_dataset(tmp_path / "set")
    assert len(dataset) == 3 and dataset[0].hr.shape == (1, 3, 128, 128)
    assert dataset[0].hr.float().std() > 10
    assert json.loads((tmp_path / "set" / "statistics.json").read_text())["clips"] == 3
    with Image.open(tmp_path / "set" / "contact-sheet.jpg") as sheet:
        assert min(sheet.size) > 300
    other = launch("data", "synth", "--out", "set", "--clips", "4", *SMALL, cwd=tmp_path)
    assert other.returncode == 2 and "other settings" in other.stderr


@pytest.mark.slow
def test_killed_builds_end_the_same(launch: Launch, tmp_path: Path) -> None:
    command = ["data", "synth", "--clips", "4", *SMALL]
    for blocks in (1, 2):
        with subprocess.Popen(
            [str(VILAFACE), *command, "--out", "killed"], cwd=tmp_path, stderr=subprocess.PIPE
        ) as run:
            while len(list((tmp_path / "killed").glob("blocks/*.jsonl"))) < blocks:
                assert run.poll() is None
                time.sleep(0.01)
            os.kill(run.pid, signal.SIGKILL)
        assert not (tmp_path / "killed" / "manifest.jsonl").exists()
    for folder in ("killed", "whole"):
        assert launch(*command, "--out", folder, cwd=tmp_path).returncode == 0
    for name in ("manifest.jsonl", "statistics.json", "blocks/00000.zip", "blocks/00003.zip"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
