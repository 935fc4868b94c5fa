from __future__ import annotations

import json

import pytest

from tests.apps.app_helpers import Launch, json_rows
from tests.fdvd.datasets.celebahq.celebahq_files import write_captions, write_folder
from tests.fdvd.media.video.video_files import card, write_video


def test_celebahq_reports_a_whole_folder(tmp_path, launch: Launch):
    write_folder(tmp_path / "faces", count=3)
    done = launch("data", "celebahq", "faces", "--check", "--json", cwd=tmp_path)
    (row,) = json_rows(done.stdout)
    assert done.returncode == 0
    assert (row["faces"], row["captions"], row["sizes"], row["named"]) == (3, 30, {"512x512": 3}, [])


def test_celebahq_names_what_is_wrong_and_what_is_missing(tmp_path, launch: Launch):
    root = write_folder(tmp_path / "faces", count=3)
    write_captions(root / "text" / "1.txt", lines=9)
    (root / "images" / "2.jpg").write_bytes(b"no picture")
    (root / "train" / "filenames_train.pickle").unlink()
    done = launch("data", "celebahq", "faces", "--check", "--json", cwd=tmp_path)
    (row,) = json_rows(done.stdout)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert row["faces"] == 1
    assert row["problems"] == {"caption-file": 1, "no-list": 1, "unreadable-image": 1}
    assert "text/1.txt: has 9 lines, 10 are expected" in done.stderr


@pytest.mark.parametrize("command", ["celebahq", "fdvd"])
def test_a_wrong_folder_is_bad_usage(tmp_path, launch: Launch, command):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        arguments = ["data", command, folder, *(["--out", "out"] if command == "fdvd" else [])]
        done = launch(*arguments, cwd=tmp_path)
        assert done.returncode == 2 and f"{folder}: " in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_fdvd_reports_what_it_cannot_use(tmp_path, launch: Launch):
    """No face, an empty file and a foreign name: each named, results written, exit code 1."""
    actor = tmp_path / "ravdess" / "Actor_05"
    actor.mkdir(parents=True)
    write_video(actor / "01-01-03-01-01-01-05.mp4", [card(160, 96)] * 3)
    (actor / "01-01-04-01-01-01-05.mp4").write_bytes(b"")
    (actor / "holiday.mp4").write_bytes(b"")
    done = launch("data", "fdvd", "ravdess", "--out", "out", "--json", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    rows = {row["id"]: row for row in json_rows(done.stdout)}
    assert "no face was found" in rows["01-01-03-01-01-01-05"]["error"]
    assert "empty" in rows["01-01-04-01-01-01-05"]["error"]
    assert "holiday.mp4: is not a RAVDESS name" in done.stderr
    problems = [json.loads(line)["kind"] for line in (tmp_path / "out" / "problems.jsonl").open()]
    assert problems == ["clip", "clip", "wrong-name"]
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == b""
    assert "| clips | 0 | 613 |" in (tmp_path / "out" / "statistics.md").read_text()
