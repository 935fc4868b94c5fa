"""Manifests: what is read, what is refused with its line, and that nothing in them can crash or stall."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.batch.fields import KNOWN_FIELDS, RowDefaults
from apps.batch.manifest import Manifest, read_folder, read_manifest
from vl_backbone.common.errors import UsageError

DEFAULTS = RowDefaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest's folder with one photo in it and one outside."""
    inside = tmp_path / "jobs"
    inside.mkdir()
    (inside / "a.png").write_bytes(b"not looked at yet")
    (tmp_path / "secret.png").write_bytes(b"outside")
    return inside


def read(folder: Path, *rows: dict[str, Any] | str, **options: Any) -> Manifest:
    path = folder / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read_manifest(path, DEFAULTS, **options)


def error_of(folder: Path, row: dict[str, Any] | str) -> str:
    plan = read(folder, row)
    assert not plan.rows and len(plan.bad) == 1
    return plan.bad[0].error


def test_rows_of_all_tasks(folder: Path) -> None:
    plan = read(
        folder,
        {"image": "a.png", "text": "smile", "strength": 0.5, "face": 1, "refine": 0, "id": 12},
        {"task": "generate", "text": "an old man", "n": 3, "seed": 9},
        {"task": "edit", "image": "./a.png", "text": "beard", "aligned": True, "strength": None},
    )
    first, second, third = plan.rows
    assert not plan.bad and not plan.warnings
    assert (first.id, first.task, first.image, first.face) == ("12", "edit", (folder / "a.png").resolve(), "1")
    assert (first.strength, first.refine, first.seed) == (0.5, 0, 0)
    assert (second.id, second.image, second.n, second.seed) == ("000002", None, 3, 9)
    assert (third.id, third.aligned, third.strength, third.line) == ("000003", True, 1.0, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "paint"}, "task must be"),
        ({"text": "  "}, "text is empty"),
        ({"text": 5}, "text must be text"),
        ({"text": "x" * 3000}, "longer than"),
        ({"image": "b.png"}, "does not exist"),
        ({"image": ""}, "image is missing"),
        ({"image": "."}, "is not a file"),
        ({"image": "../secret.png"}, "outside the manifest's folder"),
        ({"image": "/etc/hostname"}, "outside the manifest's folder"),
        ({"image": "a\0.png"}, "no text"),
        ({"image": "a" * 3000 + ".png"}, "cannot be read"),
        ({"strength": "0.5"}, "strength must be a number"),
        ({"strength": 9}, "Strength must be"),
        ({"strength": True}, "strength must be a number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"seed": 10**400}, "seed must be a whole number"),
        ({"refine": 10**6}, "refine must be"),
        ({"face": "left"}, "face must be"),
        ({"aligned": "true"}, "aligned must be"),
        ({"n": 2}, "has no n"),
        ({"strenght": 1}, "did you mean 'strength'"),
        ({"id": "../evil"}, "cannot name a file"),
        ({"id": "a/b"}, "cannot name a file"),
        ({"id": ".hidden"}, "cannot name a file"),
        ({"id": "con"}, "cannot name a file"),
        ({"id": "é" * 60}, "cannot name a file"),
        ({"id": "a\nb"}, "cannot name a file"),
        ({"id": [1]}, "id must be"),
    ],
)
def test_a_bad_field_names_itself(folder: Path, change: dict[str, Any], sentence: str) -> None:
    assert sentence in error_of(folder, {"image": "a.png", "text": "smile", **change})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("5", "not a JSON object"),
        ("[" * 50_000, "nested too deeply"),
        ('{"text": "a", "text": "b"}', "appears twice"),
        ('{"image": "a.png", "text": "smile", "strength": NaN}', "Strength must be"),
        ('{"image": "a.png", "text": "smile", "strength": -Infinity}', "Strength must be"),
        ('{"text": "' + "x" * 70_000 + '"}', "longer than"),
        (json.dumps({f"f{i}": i for i in range(100)}), "fields"),
    ],
)
def test_a_bad_line_fails_alone(folder: Path, line: str, sentence: str) -> None:
    good = {"image": "a.png", "text": "smile"}
    plan = read(folder, good, "", line, good)
    assert [row.id for row in plan.rows] == ["000001", "000003"]
    assert [(row.number, row.line) for row in plan.bad] == [(2, 3)]
    assert sentence in plan.bad[0].error


def test_a_link_out_of_the_folder_is_outside_and_can_be_allowed(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    for image in ("link.png", "../secret.png"):
        row = {"image": image, "text": "smile"}
        assert "outside" in error_of(folder, row)
        assert read(folder, row, allow_outside=True).rows[0].image == (folder.parent / "secret.png").resolve()


def test_the_same_id_twice_names_the_first_line(folder: Path) -> None:
    row = {"image": "a.png", "text": "smile"}
    plan = read(folder, {**row, "id": "A"}, row, {**row, "id": "a"}, {**row, "id": "000002"})
    assert [bad.line for bad in plan.bad] == [3, 4]
    assert "that of line 1" in plan.bad[0].error and "that of line 2" in plan.bad[1].error


def test_a_field_without_meaning_is_noted_once(folder: Path) -> None:
    row = {"image": "a.png", "text": "smile", "photographer": "me"}
    plan = read(folder, row, row)
    assert len(plan.rows) == 2 and len(plan.warnings) == 1
    assert "'photographer'" in plan.warnings[0] and "line 1" in plan.warnings[0]


def test_csv_with_types_quotes_and_a_bad_row(folder: Path) -> None:
    path = folder / "rows.CSV"
    path.write_bytes(
        b"\xef\xbb\xbfID,Task,Image,Text,Strength,Aligned\r\n"
        b'one,edit,a.png,"blond, wavy hair",0.5,yes\r\n'
        b"\r\n"
        b"two,edit,a.png,smile,much,\r\n"
        b"three,generate,,an old man,1.0,false\r\n"
        b"four,edit,a.png,smi\xffle,,\r\n"
        b"five,edit,a.png,smile,,,,,extra\r\n"
    )
    plan = read_manifest(path, DEFAULTS)
    assert [(row.id, row.text, row.strength, row.aligned) for row in plan.rows] == [
        ("one", "blond, wavy hair", 0.5, True),
        ("three", "an old man", 1.0, False),
    ]
    assert [row.line for row in plan.bad] == [4, 6, 7]
    assert "strength must be a number" in plan.bad[0].error and "UTF-8" in plan.bad[1].error


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.jsonl", None, "no such manifest"),
        ("rows.txt", b"{}", "ends in .jsonl or .csv"),
        ("rows.jsonl", b"", "has no rows"),
        ("rows.csv", b"image,text\n", "has no rows"),
        ("rows.csv", b"a;b\n1;2\n", "name the columns"),
        ("rows.csv", b"image,text,image\n", "appears twice"),
        ("rows.csv", "image,text\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        read_manifest(tmp_path / name, DEFAULTS)


def test_shards_share_the_rows_out(folder: Path) -> None:
    row = {"image": "a.png", "text": "smile"}
    plan = read(folder, *[row] * 7, "{")
    parts = [plan.shard(index, 3) for index in (1, 2, 3)]
    assert sorted(row.number for part in parts for row in part.rows) == list(range(1, 8))
    assert [len(part.bad) for part in parts] == [0, 1, 0]


def test_a_folder_is_one_row_per_picture(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "a.webp", "notes.txt"):
        (tmp_path / name).touch()
    plan = read_folder(tmp_path, "edit", "smile", 0.5, DEFAULTS)
    assert [(row.id, row.source, row.strength) for row in plan.rows] == [
        ("a", "a.png", 0.5),
        ("a-2", "a.webp", 0.5),
        ("b", "b.JPG", 0.5),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no picture"):
        read_folder(tmp_path / "empty", "edit", "smile", 1.0, DEFAULTS)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(sorted(KNOWN_FIELDS)) | st.text(max_size=8)
likely = st.sampled_from(["a.png", "edit", "generate", "superres", "smile", "../x", "0", 1, 0.5, True])
json_rows = st.dictionaries(names, likely | anything, max_size=8).map(json.dumps)
fuzz = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(path: Path, content: bytes) -> None:
    """Either a sentence for the whole file, or every row is good (and safe to write) or bad (and named)."""
    path.write_bytes(content)
    try:
        plan = read_manifest(path, DEFAULTS)
    except UsageError as error:
        assert str(path) in str(error)
        return
    numbers = sorted([row.number for row in plan.rows] + [row.number for row in plan.bad])
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(row.error and row.line >= row.number for row in plan.bad)
    for row in plan.rows:
        assert (path.parent / f"{row.id}.face.png").resolve().parent == path.parent.resolve()
        assert row.image is None or row.image.is_relative_to(path.parent.resolve())
    ids = [row.id.casefold() for row in plan.rows]
    assert len(set(ids)) == len(ids)


@fuzz
@given(st.lists(json_rows | st.text(max_size=30), max_size=6))
def test_fuzzed_jsonl(folder: Path, lines: list[str]) -> None:
    check(folder / "fuzz.jsonl", "\n".join(lines).encode("utf-8", "surrogatepass"))


@fuzz
@given(st.lists(names, min_size=1, max_size=6), st.lists(st.lists(st.text(max_size=12) | likely.map(str)), max_size=6))
def test_fuzzed_csv(folder: Path, header: list[str], rows: list[list[str]]) -> None:
    text = "\n".join(",".join(cells) for cells in [header, *rows])
    check(folder / "fuzz.csv", text.encode("utf-8", "surrogatepass"))


@fuzz
@given(st.binary(max_size=300), st.sampled_from(["bytes.jsonl", "bytes.csv"]))
def test_fuzzed_bytes(folder: Path, content: bytes, name: str) -> None:
    check(folder / name, content)
