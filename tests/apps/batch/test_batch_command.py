"""`vilaface batch` by its contract: names, ledger, exit codes, resuming, shards; the networks are tiny."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.apps.app_helpers import Launch, json_rows
from tests.apps.batch.batch_helpers import Batch, digests, ledger_rows, write_manifest


def write(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "jobs.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A folder with photos in it."""
    (tmp_path / "in").mkdir()
    write_manifest(tmp_path / "in", 1)
    return tmp_path / "in"


EDIT = {"image": "photo1.png", "text": "smile", "aligned": True}


def test_names_reports_and_ledger(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    manifest = write(jobs, {**EDIT, "id": "me"}, {"task": "generate", "text": "an old man", "n": 2})
    result = batch(manifest, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    out = tmp_path / "out"
    pictures = {"me.edited.png", "me.face.png", "me.reconstruction.png", "000002.face1.png", "000002.face2.png"}
    assert {path.name for path in out.glob("*.png")} == pictures
    first, second = json_rows(result.stdout)
    assert (first["id"], first["row"], first["status"], first["resumed"]) == ("me", 1, "ok", False)
    assert Path(first["outputs"]["edited"]) == out.resolve() / "me.edited.png"
    assert second["outputs"]["face"].endswith("000002.face1.png")
    assert json.loads((out / "me.json").read_text())["outputs"]["face"] == "me.face.png"
    rows = ledger_rows(out)
    assert [(row["row"], row["id"], row["status"], row["error"]) for row in rows] == [
        (1, "me", "ok", None),
        (2, "000002", "ok", None),
    ]
    noted = {output["file"]: output["sha256"] for row in rows for output in row["outputs"].values()}
    assert noted == digests(out)


def test_done_rows_are_left_alone_and_changed_ones_are_done_again(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    out = tmp_path / "out"
    manifest = write(jobs, {**EDIT, "id": "a"}, {**EDIT, "id": "b"}, {**EDIT, "id": "c", "image": "photo2.png"})
    assert batch(manifest, "--out", out).exit_code == 0
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    (out / "b.face.png").write_bytes(b"spoilt")
    (jobs / "photo2.png").write_bytes((jobs / "photo3.png").read_bytes())
    result = batch(manifest, "--out", out, "--json")
    assert [row["resumed"] for row in json_rows(result.stdout)] == [True, False, False]
    assert [row["id"] for row in ledger_rows(out)] == ["a", "b", "c", "b", "c"]
    kept = {name for name, time in before.items() if (out / name).stat().st_mtime_ns == time}
    assert kept == {"a.edited.png", "a.face.png", "a.reconstruction.png"}
    result = batch(manifest, "--out", out, "--json", "--no-resume")
    assert [row["resumed"] for row in json_rows(result.stdout)] == [False] * 3


def test_bad_rows_are_named_before_work_and_fail_alone(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    manifest = write(jobs, EDIT, "{", {**EDIT, "id": "../../evil"}, {**EDIT, "image": "cut.png"}, {**EDIT, "text": ""})
    out = tmp_path / "deep" / "out"
    result = batch(manifest, "--out", out, "--json")
    assert result.exit_code == 1 and "Traceback" not in result.stderr
    rows = json_rows(result.stdout)
    assert [(row["row"], row["status"]) for row in rows] == [
        (2, "failed"),
        (3, "failed"),
        (5, "failed"),
        (1, "ok"),
        (4, "failed"),
    ]
    assert [row["error"].split(":")[0] for row in rows[:3]] == ["line 2", "line 3", "line 5"]
    assert "damaged or cut off" in rows[4]["error"]
    assert sorted((row["row"], row["status"]) for row in ledger_rows(out)) == [
        (1, "ok"),
        (2, "failed"),
        (3, "failed"),
        (4, "failed"),
        (5, "failed"),
    ]
    files = {path for path in tmp_path.rglob("*") if path.is_file() and jobs not in path.parents}
    assert {path.parent for path in files} == {out}
    assert batch(manifest, "--out", out).exit_code == 1
    assert len(ledger_rows(out)) == 5


def test_fail_fast_stops(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    manifest = write(jobs, {**EDIT, "image": "cut.png"}, *[EDIT] * 30)
    result = batch(manifest, "--out", tmp_path / "out", "--fail-fast")
    assert result.exit_code == 1 and " left" in result.stderr
    assert len(ledger_rows(tmp_path / "out")) < 31
    manifest = write(jobs, EDIT, "{")
    assert batch(manifest, "--out", tmp_path / "none", "--fail-fast").exit_code == 1
    assert not list((tmp_path / "none").glob("*.png"))


def test_dry_run_shows_the_plan_and_touches_nothing(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    manifest = write(jobs, EDIT, {"task": "generate", "text": "a woman", "id": "w"})
    result = batch(manifest, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "000001: edit photo1.png 'smile': to do" in result.stderr and "w: generate" in result.stderr
    assert not (tmp_path / "out").exists()
    manifest = write(jobs, EDIT, "[]")
    assert batch(manifest, "--out", tmp_path / "out", "--dry-run").exit_code == 1


def test_unusable_requests_are_exit_2(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    manifest, out = write(jobs, EDIT), tmp_path / "out"
    (tmp_path / "file").touch()
    for arguments in (
        [tmp_path / "none.jsonl", "--out", out],
        [jobs / "photo1.png", "--out", out],
        [jobs, "--out", out],
        [manifest, "--out", out, "--text", "smile"],
        [manifest, "--out", tmp_path / "file"],
        [manifest, "--out", out, "--shard", "3/2"],
        [manifest, "--out", out, "--runner", "fleet"],
        [manifest, "--out", out, "--preset", "no-such"],
        [manifest, "--out", out, "--merge", tmp_path / "none"],
        [manifest],
    ):
        result = batch(*arguments)
        assert result.exit_code == 2, (arguments, result.stderr)
        assert "Traceback" not in result.stderr


def test_a_folder_with_a_sentence(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    (jobs / "cut.png").unlink()
    result = batch(jobs, "--text", "smile", "--out", tmp_path / "out", "--json")
    rows = json_rows(result.stdout)
    # The stand-in editor never finds a face, so each photo fails, by its name.
    assert result.exit_code == 1
    assert [row["id"] for row in rows] == [f"photo{i}" for i in range(10)]
    assert all("No face" in row["error"] for row in rows)


def test_outputs_never_replace_a_photo_of_the_run(jobs: Path, batch: Batch) -> None:
    photo = (jobs / "photo1.png").read_bytes()
    (jobs / "x.face.png").write_bytes(photo)
    manifest = write(jobs, {**EDIT, "image": "x.face.png", "id": "x"})
    result = batch(manifest, "--out", jobs)
    assert result.exit_code == 1 and "would be overwritten" in result.stderr
    assert (jobs / "x.face.png").read_bytes() == photo


def test_shards_in_one_folder_and_in_folders_that_merge(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    manifest = write_manifest(jobs, 20)
    assert batch(manifest, "--out", tmp_path / "whole").exit_code == 1
    for index in (1, 2, 3):
        batch(manifest, "--out", tmp_path / "shared", "--shard", f"{index}/3")
        batch(manifest, "--out", tmp_path / f"part{index}", "--shard", f"{index}/3")
    assert sorted(row["row"] for row in ledger_rows(tmp_path / "shared")) == list(range(1, 21))
    assert digests(tmp_path / "shared") == digests(tmp_path / "whole")
    parts = [tmp_path / f"part{index}" for index in (1, 2, 3)]
    assert sum(len(ledger_rows(part)) for part in parts) == 20
    spoilt = next(parts[1].glob("*.edited.png"))
    spoilt.write_bytes(b"lost on the way")
    merges = [argument for part in parts for argument in ("--merge", part)]
    result = batch(manifest, "--out", tmp_path / "joined", *merges, "--json")
    assert "Taken over from other folders: 18 rows" in result.stderr
    assert sum(not row["resumed"] and row["status"] == "ok" for row in json_rows(result.stdout)) == 1
    assert digests(tmp_path / "joined") == digests(tmp_path / "whole")


def test_a_merged_ledger_that_lies_takes_nothing_out_of_its_place(jobs: Path, tmp_path: Path, batch: Batch) -> None:
    source = tmp_path / "from"
    source.mkdir()
    (source / "x.png").write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    for name in ("../../x", "other"):
        line = {"row": 1, "id": name, "status": "ok", "key": "k", "error": None}
        line["outputs"] = {"face": {"file": "x.png", "sha256": digest}}
        with (source / "results.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    result = batch(write(jobs, EDIT), "--out", tmp_path / "out", "--merge", source)
    assert "Taken over from other folders: 0 rows" in result.stderr
    assert not (tmp_path / "out" / "x.png").exists()


@pytest.mark.slow
def test_three_real_rows(launch: Launch, astronaut: Path, tmp_path: Path) -> None:
    (tmp_path / "astronaut.png").write_bytes(astronaut.read_bytes())
    rows = (
        {"task": "edit", "image": "astronaut.png", "text": "blond hair", "refine": 0, "id": "blond"},
        {"task": "generate", "text": "an old man with a beard", "seed": 3},
        {"task": "edit", "image": "missing.png", "text": "smile"},
    )
    manifest = write(tmp_path, *rows)
    result = launch("batch", str(manifest), "--out", "out", "--json", cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    bad, blond, old = json_rows(result.stdout)
    assert "line 3" in bad["error"] and blond["intents"]["blond_hair"] > 0 and old["status"] == "ok"
    again = launch("batch", str(manifest), "--out", "out", "--json", cwd=tmp_path)
    assert [row["resumed"] for row in json_rows(again.stdout)[1:]] == [True, True]
    assert len(ledger_rows(tmp_path / "out")) == 3
