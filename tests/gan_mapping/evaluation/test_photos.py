"""`vilaface evaluate photos`: figures and sheet of a folder; bad files are named and stop nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from gan_mapping.evaluation.photos import WISHES_FILE, PhotoEdit, PhotoRecord, Witness, load_wishes, report
from tests.apps.app_helpers import run_vilaface
from tests.paths import ASTRONAUT
from vl_backbone.common.errors import InputError


def test_wishes_are_a_list_of_sentences(tmp_path: Path) -> None:
    assert "a big smile" in load_wishes(WISHES_FILE)
    (tmp_path / "w.yaml").write_text("wishes: smile\n", encoding="utf-8")
    with pytest.raises(InputError, match="a list of sentences"):
        load_wishes(tmp_path / "w.yaml")


def test_the_table_has_means_counts_and_says_who_steered() -> None:
    def record(name: str, distance: float, flips: tuple[str, ...], reached: bool | None) -> PhotoRecord:
        edit = PhotoEdit("smile", {"net": distance}, reached, flips, 0.1, 1.0)
        return PhotoRecord(name, {"net": 0.2}, 4.0, (edit,))

    records = [record("a", 0.1, ("-beard", "+hat"), True), record("b", 0.3, ("-beard",), None)]
    table = report(records, [Witness("net", None, True)])  # type: ignore[arg-type]
    assert "| net (in the loss) |" in table and "| reconstruction | 0.200 |" in table
    assert "| smile | 0.200 | 100% | 1.50 | 10% | 1.00 |" in table
    assert "- smile: -beard 2, +hat 1" in table


@pytest.mark.slow
def test_a_folder_is_measured_and_shown(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(ASTRONAUT.read_bytes())
    (folder / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "w.yaml").write_text("- wearing glasses\n- good morning\n", encoding="utf-8")
    done = run_vilaface(
        *("evaluate", "photos", "photos", "--wishes", "w.yaml", "--refine", "1", "--out", "out", "--json"), cwd=tmp_path
    )
    assert done.returncode == 1 and "b.jpg" in done.stderr and "Traceback" not in done.stderr
    row = json.loads(done.stdout)
    (photo,) = row["photos"]
    glasses, nothing = photo["edits"]
    assert row["networks"][0] == {"name": "dlib-face-resnet", "in_loss": True} and row["refine"] == 1
    assert glasses["reached"] and 0.05 < glasses["likeness"]["dlib-face-resnet"] < 0.7
    assert 0 < glasses["changed"] < 0.5 and nothing["changed"] == 0 and nothing["reached"] is None
    assert "wearing glasses" in (tmp_path / "out" / "photos.md").read_text(encoding="utf-8")
    with Image.open(tmp_path / "out" / "photos.jpg") as sheet:
        assert sheet.height > 4 * 160
