"""`vilaface edit` and `vilaface generate` on real photos: files, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from tests.apps.app_helpers import Launch, json_rows

pytestmark = pytest.mark.slow

STAGES = {"detect", "align", "encode", "refine", "map_text", "aim", "render", "paste", "write", "total"}
INPUTS = ("me.png", "sub/me.jpg", "grey.png", "clear.png", "noface.png", "dot.png", "broken.png", "two.png")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, launch: Launch, astronaut: Path) -> tuple[Path, Any]:
    """One launch with good and bad photos mixed."""
    folder = tmp_path_factory.mktemp("edit")
    photo = Image.open(astronaut)
    photo.save(folder / "me.png")
    (folder / "sub").mkdir()
    photo.save(folder / "sub" / "me.jpg", quality=95)
    photo.convert("L").save(folder / "grey.png")
    clear = photo.convert("RGBA")
    clear.putalpha(200)
    clear.save(folder / "clear.png")
    Image.new("RGB", (300, 200), (90, 120, 90)).save(folder / "noface.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "broken.png").write_bytes(b"no photo")
    two = Image.new("RGB", (1024, 512))
    two.paste(photo, (0, 0))
    two.paste(photo, (512, 0))
    two.save(folder / "two.png")
    options = ("--text", "add glasses", "--refine", "0", "--face", "all", "--json", "--out", "out")
    return folder, launch("edit", *INPUTS, *options, cwd=folder)


@pytest.fixture(scope="module")
def rows(run: tuple[Path, Any]) -> dict[str, dict[str, Any]]:
    found = json_rows(run[1].stdout)
    assert [row["input"] for row in found] == list(INPUTS)
    return {row["input"]: row for row in found}


def test_bad_photos_fail_alone(run: tuple[Path, Any], rows: dict[str, dict[str, Any]]) -> None:
    assert run[1].returncode == 1
    assert "Traceback" not in run[1].stderr
    failed = {name for name, row in rows.items() if row["status"] == "failed"}
    assert failed == {"noface.png", "dot.png", "broken.png"}
    assert "No face was found" in rows["noface.png"]["error"]


def test_every_result_is_written(run: tuple[Path, Any], rows: dict[str, dict[str, Any]]) -> None:
    folder = run[0]
    row = rows["me.png"]
    assert row["outputs"]["sr"] is None
    assert row["outputs"]["edited"] == "out/me.edited.png"
    assert Image.open(folder / row["outputs"]["edited"]).size == (512, 512)
    for kind in ("face", "reconstruction"):
        assert row["outputs"][kind] == f"out/me.{kind}.png"
        assert Image.open(folder / row["outputs"][kind]).size == (1024, 1024)
    latent = load_file(folder / row["outputs"]["latent"])
    assert set(latent) == {"ws"}
    assert latent["ws"].shape == (23, 512)
    assert latent["ws"].dtype == np.float32
    assert json.loads((folder / "out" / "me.json").read_text()) == row


def test_the_json_says_what_was_done(rows: dict[str, dict[str, Any]]) -> None:
    row = rows["me.png"]
    assert (row["task"], row["text"], row["strength"], row["seed"]) == ("edit", "add glasses", 1.0, 0)
    assert (row["preset"], row["status"], row["error"], row["refine"]) == ("mini", "ok", None, 0)
    assert row["intents"]["glasses"] > 0
    assert set(row["timings_s"]) >= STAGES
    assert all(isinstance(value, float) for value in row["timings_s"].values())
    assert row["timings_s"]["total"] > 0
    assert all(len(value) == 64 for value in row["weights"].values())
    (face,) = row["faces"]
    x0, y0, x1, y1 = face["box"]
    assert 0 <= x0 < x1 <= 512
    assert 0 <= y0 < y1 <= 512
    (left, top), (_, bottom), (right, _), _ = face["quad"]
    assert left < x0 < x1 < right
    assert top < y0 < y1 < bottom
    assert face["index"] == 0
    assert face["score"] > 0.9
    assert face["identity"]["network"]
    assert 0 < face["identity"]["photo_to_reconstruction"] < 2


def test_the_edit_stays_around_the_face(run: tuple[Path, Any], rows: dict[str, dict[str, Any]]) -> None:
    before = np.asarray(Image.open(run[0] / "me.png")).astype(int)
    after = np.asarray(Image.open(run[0] / "out" / "me.edited.png")).astype(int)
    changed = np.abs(before - after).max(axis=2) > 0
    quad = np.array(rows["me.png"]["faces"][0]["quad"])
    (x0, y0), (x1, y1) = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    assert changed.any()
    changed[max(0, y0) : y1, max(0, x0) : x1] = False
    assert not changed.any()


def test_inputs_of_one_stem_get_names_of_their_own(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["sub/me.jpg"]["outputs"]["edited"] == "out/me-2.edited.png"


def test_photos_keep_their_mode(run: tuple[Path, Any], rows: dict[str, dict[str, Any]]) -> None:
    assert Image.open(run[0] / rows["grey.png"]["outputs"]["edited"]).mode == "L"
    clear = Image.open(run[0] / rows["clear.png"]["outputs"]["edited"])
    assert clear.mode == "RGBA"
    assert set(np.unique(np.asarray(clear)[..., 3])) == {200}


def test_all_faces_are_numbered(run: tuple[Path, Any], rows: dict[str, dict[str, Any]]) -> None:
    row = rows["two.png"]
    assert [face["index"] for face in row["faces"]] == [0, 1]
    assert row["outputs"]["face"] == row["outputs"]["face1"] == "out/two.face1.png"
    assert row["outputs"]["latent2"] == row["faces"][1]["outputs"]["latent"] == "out/two.latent2.safetensors"
    for path in row["outputs"].values():
        assert path is None or (run[0] / path).is_file()
    before, after = Image.open(run[0] / "two.png"), Image.open(run[0] / row["outputs"]["edited"])
    for x in (0, 512):
        half = (x, 0, x + 512, 512)
        assert np.any(np.asarray(before.crop(half)) != np.asarray(after.crop(half)))


def test_nothing_is_written_elsewhere(run: tuple[Path, Any], rows: dict[str, dict[str, Any]]) -> None:
    folder = run[0]
    assert {path.name for path in folder.iterdir()} == {Path(name).parts[0] for name in INPUTS} | {"out"}
    known = {Path(p) for row in rows.values() for p in row["outputs"].values() if p}
    names = {path.name for path in known} | {f"{Path(n).stem}.json" for n in INPUTS} | {"me-2.json"}
    assert {path.name for path in (folder / "out").iterdir()} == names


def test_strength_0_gives_the_photo_back(launch: Launch, astronaut: Path, tmp_path: Path) -> None:
    options = ("--text", "add glasses", "--strength", "0", "--refine", "1")
    result = launch("edit", str(astronaut), *options, cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout == ""
    assert "glasses" in result.stderr
    out = tmp_path / "vilaface-out"
    assert np.array_equal(np.asarray(Image.open(astronaut)), np.asarray(Image.open(out / "astronaut.edited.png")))
    pictures = [np.asarray(Image.open(out / f"astronaut.{kind}.png")) for kind in ("face", "reconstruction")]
    assert np.array_equal(*pictures)


def test_generate_writes_faces_and_a_sheet(launch: Launch, tmp_path: Path) -> None:
    result = launch("generate", "--text", "an old man", "--n", "2", "--seed", "5", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    made = json_rows(result.stdout)
    out = tmp_path / "vilaface-out"
    assert [(row["task"], row["seed"], row["status"]) for row in made] == [
        ("generate", 5, "ok"),
        ("generate", 6, "ok"),
    ]
    for row in made:
        assert row["intents"]
        assert Image.open(tmp_path / row["outputs"]["face"]).size == (1024, 1024)
        assert load_file(tmp_path / row["outputs"]["latent"])["ws"].shape == (23, 512)
        assert json.loads((out / f"generated-{row['seed']}.json").read_text()) == row
    assert Image.open(out / "generated.sheet.png").width > 700
