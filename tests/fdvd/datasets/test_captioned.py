"""Folders of faces with sentences beside them, in three forms, through the one door of all data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdvd.datasets.sources import open_dataset
from vl_backbone.common.errors import InputError, UsageError


def picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 40, 3), value, np.uint8)).save(path)
    return path


def test_a_text_file_beside_each_picture(tmp_path: Path) -> None:
    picture(tmp_path / "b.png", 7).with_suffix(".txt").write_text("A man.\n\n  He  smiles. \n", encoding="utf-8")
    picture(tmp_path / "a.jpg").with_suffix(".txt").write_text("A woman.", encoding="utf-8")
    picture(tmp_path / "without.png")
    faces = open_dataset(tmp_path, size=32)
    assert [(clip.id, clip.captions, clip.split) for clip in faces.clips] == [
        ("a", ("A woman.",), None),
        ("b", ("A man.", "He smiles."), None),
    ]
    sample = faces[1]
    assert sample.hr.shape == (1, 3, 32, 32) and int(sample.hr.max()) == 7
    assert sample.lr is None and sample.latent is None


def test_one_table_of_lines(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "1.png")
    picture(tmp_path / "2.png")
    text = "x/1.png\tA man.\n2.png\tA woman.\nx/1.png\tHe frowns.\n"
    (tmp_path / "captions.txt").write_text(text, encoding="utf-8-sig")
    faces = open_dataset(tmp_path)
    assert {clip.id: clip.captions for clip in faces.clips} == {"2": ("A woman.",), "x/1": ("A man.", "He frowns.")}


def test_json_lines_carry_splits(tmp_path: Path) -> None:
    rows = [
        {"image": "1.png", "captions": ["A man.", "He smiles."], "split": "train"},
        {"image": "2.png", "caption": "A woman.", "split": "test"},
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    picture(tmp_path / "1.png")
    faces = open_dataset(tmp_path)
    assert [clip.captions for clip in faces.split("test").clips] == [("A woman.",)]
    assert faces.split("train")[0].hr.shape[0] == 1
    with pytest.raises(InputError, match=r"2\.png"):
        faces[1]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("captions.txt", "1.png A man.", "line 1"),
        ("captions.txt", "../1.png\tA man.", "no picture of this folder"),
        ("captions.txt", "1.exe\tA man.", "no picture of this folder"),
        ("captions.jsonl", '{"image": "1.png"}', "line 1"),
        ("captions.jsonl", '{"image": "1.png", "captions": "A man."}', "line 1"),
        ("captions.jsonl", '{"image": "1.png", "caption": "A man.", "split": 3}', "line 1"),
        ("captions.jsonl", "[" * 5000, "line 1"),
        ("captions.jsonl", '{"image": "/etc/1.png", "caption": "A man."}', "no picture of this folder"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        open_dataset(tmp_path)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        open_dataset(tmp_path)
    (tmp_path / "captions.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no picture has a sentence"):
        open_dataset(tmp_path)


def test_a_folder_without_sentences_is_as_before(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    assert open_dataset(tmp_path).clips[0].captions == ()
