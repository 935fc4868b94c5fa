"""`vilaface evaluate edits`, `reconstruction` and `sheet` as people call them: what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.app_helpers import Launch, json_rows


@pytest.mark.parametrize(
    ("what", "option", "value"),
    [("edits", "--photos", "nowhere"), ("reconstruction", "--faces", "401"), ("sheet", "--device", "abacus")],
)
def test_bad_requests_are_sentences(launch: Launch, tmp_path: Path, what: str, option: str, value: str) -> None:
    done = launch("evaluate", what, "--out", "out", option, value, cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert value in done.stderr and done.stdout == ""


def test_a_misspelt_group_of_sentences_is_named(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("singles: [{text: a, want: +smile, may: ''}]")
    done = launch("evaluate", "edits", "--out", "out", "--sentences", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "mine.yaml" in done.stderr and "singles" in done.stderr and done.stdout == ""


@pytest.mark.slow
def test_one_face_is_measured_and_resumed(launch: Launch, tmp_path: Path) -> None:
    few = ["--faces", "1", "--strength-faces", "0", "--boundary-faces", "0", "--optimised-faces", "0", "--json"]
    done = launch("evaluate", "edits", "--out", "out", *few, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json_rows(done.stdout)[0]
    assert report["methods"][0]["generated"][-1]["pairs"] == 30
    assert (tmp_path / "out" / "edits" / "mini.jpg").stat().st_size < 350_000
    assert report["methods"][0]["nothing"]["sentences"] == 10
    again = launch("evaluate", "edits", "--out", "out", *few, cwd=tmp_path)
    assert json_rows(again.stdout)[0] == report
