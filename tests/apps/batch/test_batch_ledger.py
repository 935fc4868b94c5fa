"""The ledger: torn lines, keys, files that changed, lines that lie."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.batch.ledger import LEDGER_NAME, Entry, Ledger, read_entries, row_key
from vl_backbone.common.errors import UsageError


def finished(folder: Path, name: str = "a", content: bytes = b"picture") -> Entry:
    """An entry of one file that is really there."""
    file = f"{name}.face.png"
    (folder / file).write_bytes(content)
    return Entry(1, name, "ok", "key", None, {"face": (file, hashlib.sha256(content).hexdigest())})


def test_a_finished_row_is_known_until_its_file_changes(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append(finished(tmp_path))
    with Ledger(tmp_path) as ledger:
        assert ledger.finished("a", "key") is not None
        assert ledger.finished("a", "other key") is None and ledger.finished("b", "key") is None
        (tmp_path / "a.face.png").write_bytes(b"picturE")
        assert ledger.finished("a", "key") is None
        (tmp_path / "a.face.png").unlink()
        assert ledger.finished("a", "key") is None
    with Ledger(tmp_path, resume=False) as ledger:
        finished(tmp_path)
        assert ledger.finished("a", "key") is None


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_dropped_and_the_next_is_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / LEDGER_NAME
    with Ledger(tmp_path) as ledger:
        ledger.append(replace(finished(tmp_path), id="first"))
        ledger.append(finished(tmp_path))
    path.write_bytes(path.read_bytes()[:-cut])
    with Ledger(tmp_path) as ledger:
        ledger.append(replace(finished(tmp_path), id="last"))
    ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    # Only its end was missing: nothing is lost. More was missing: the line is gone.
    assert ids == (["first", "a", "last"] if cut == 1 else ["first", "last"])


def test_the_same_failure_is_noted_once(tmp_path: Path) -> None:
    failure = Entry(3, "c", "failed", "key", "no face")
    for _ in range(2):
        with Ledger(tmp_path) as ledger:
            ledger.append(failure)
            ledger.append(failure)
    with Ledger(tmp_path) as ledger:
        ledger.append(replace(failure, error="something else"))
    assert [entry.error for entry in read_entries(tmp_path / LEDGER_NAME)] == ["no face", "something else"]


def test_a_key_changes_with_input_settings_and_weights() -> None:
    keys = {
        row_key(source, {"text": text}, {"mini": weights})
        for source in ("0", "1")
        for text in ("a", "b")
        for weights in ("x", "y")
    }
    assert len(keys) == 8
    assert row_key("0", {"a": 1, "b": 2}, {}) == row_key("0", {"b": 2, "a": 1}, {})


def test_a_link_in_the_ledgers_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / LEDGER_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="ledger"):
        Ledger(tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", ".hidden", 5])
def test_a_line_that_points_elsewhere_is_no_entry(name: object) -> None:
    line = {
        "row": 1,
        "id": "a",
        "status": "ok",
        "key": "k",
        "error": None,
        "outputs": {"face": {"file": name, "sha256": "0" * 64}},
    }
    assert Entry.from_line(json.dumps(line).encode()) is None


@settings(deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda text: json.dumps({"row": 1, "outputs": text}).encode()))
def test_any_bytes_are_no_entry(line: bytes) -> None:
    assert Entry.from_line(line) is None


@settings(deadline=None)
@given(st.text(max_size=10), st.text(max_size=30) | st.none(), st.sampled_from(["ok", "failed"]))
def test_a_line_gives_its_entry_back(name: str, error: str | None, status: str) -> None:
    entry = Entry(4, name, status, "key", error, {"face": ("a.face.png", "f" * 64)})
    line = entry.to_line()
    assert "\n" not in line
    assert Entry.from_line(line.encode()) == entry
