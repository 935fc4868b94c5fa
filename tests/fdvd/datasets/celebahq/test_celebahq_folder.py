from __future__ import annotations

import pickle
import shutil

import pytest

from fdvd.datasets.celebahq import check_folder, open_folder
from fdvd.datasets.sources import open_dataset
from fdvd.language.captions.facts import CELEBA_ATTRIBUTES
from tests.fdvd.datasets.celebahq.celebahq_files import (
    SENTENCES,
    attribute_text,
    write_captions,
    write_folder,
    write_picture,
)
from vl_backbone.common.errors import UsageError


def kinds(folder) -> list[str]:
    return [problem.kind for problem in folder.problems]


def test_a_whole_folder(tmp_path):
    folder = open_folder(write_folder(tmp_path))
    assert folder.problems == ()
    assert [face.id for face in folder.faces] == ["0", "1", "2", "3"]
    face = folder.faces[1]
    assert face.captions == tuple(SENTENCES)
    assert list(face.attributes) == list(CELEBA_ATTRIBUTES)
    assert [face.attributes[name] for name in CELEBA_ATTRIBUTES[:3]] == [False, False, True]
    assert [face.id for face in folder.split("train")] == ["0", "1", "2"]
    assert [face.id for face in folder.split("test")] == ["3"]
    row = check_folder(folder).as_row()
    assert (row["faces"], row["sizes"], row["captions"], row["with_attributes"]) == (4, {"512x512": 4}, 40, 4)
    assert row["splits"] == {"test": 1, "train": 3} and row["problems"] == {}


def test_numbers_are_ordered_by_value_and_lists_ignore_zeros(tmp_path):
    for key in ("00002", "00010", "00001"):
        write_picture(tmp_path / "images1024x1024" / "00000" / f"{key}.png", 64)
    (tmp_path / "train.txt").write_text("10.jpg\n1\n")
    folder = open_folder(tmp_path)
    assert [(face.id, face.split) for face in folder.faces] == [("00001", "train"), ("00002", None), ("00010", "train")]
    assert kinds(folder) == ["no-attributes", "no-captions", "no-list"]
    assert folder.faces[0].captions == () and folder.faces[0].attributes == {}


def test_a_caption_file_with_nine_lines_is_named_and_the_rest_is_done(tmp_path):
    root = write_folder(tmp_path)
    write_captions(root / "text" / "1.txt", lines=9)
    folder = open_folder(root)
    assert [face.id for face in folder.faces] == ["0", "2", "3"]
    assert [str(problem) for problem in folder.problems] == [
        "text/1.txt: has 9 lines, 10 are expected; the face is left out"
    ]


def test_missing_and_unreadable_texts_are_named(tmp_path):
    root = write_folder(tmp_path)
    (root / "text" / "0.txt").unlink()
    (root / "text" / "1.txt").write_bytes(b"\xff\xfe\xfa" * 10)
    write_captions(root / "text" / "77.txt")
    folder = open_folder(root)
    assert [face.id for face in folder.faces] == ["2", "3"]
    assert {(p.kind, p.item) for p in folder.problems} == {
        ("missing-captions", "text/0.txt"),
        ("caption-file", "text/1.txt"),
        ("missing-image", "text/77.txt"),
    }


def test_missing_pieces_are_named(tmp_path):
    root = write_folder(tmp_path)
    shutil.rmtree(root / "text")
    shutil.rmtree(root / "train")
    (root / "CelebAMask-HQ-attribute-anno.txt").unlink()
    folder = open_folder(root)
    assert len(folder.faces) == 4
    assert [(p.kind, p.item) for p in folder.problems] == [
        ("no-attributes", "CelebAMask-HQ-attribute-anno.txt"),
        ("no-captions", "text/"),
        ("no-list", "train/filenames_train.pickle"),
    ]


def test_a_hostile_list_is_named_and_the_rest_is_done(tmp_path):
    root = write_folder(tmp_path)
    canary = tmp_path / "canary"

    class Runs:
        def __reduce__(self):
            return exec, (f"open({str(canary)!r}, 'w')",)

    (root / "train" / "filenames_train.pickle").write_bytes(pickle.dumps([Runs()]))
    folder = open_folder(root)
    assert not canary.exists()
    assert kinds(folder) == ["list-file"] and "refused" in folder.problems[0].message
    assert [face.split for face in folder.faces] == [None, None, None, "test"]


def test_lists_that_name_no_picture_or_one_twice(tmp_path):
    root = write_folder(tmp_path)
    (root / "train" / "filenames_train.pickle").write_bytes(pickle.dumps(["0", 2, "99.jpg"]))
    (root / "test" / "filenames_test.pickle").write_bytes(pickle.dumps(["0", "3"]))
    folder = open_folder(root)
    assert [face.split for face in folder.faces] == ["train", None, "train", "test"]
    assert [str(p) for p in folder.problems] == [
        "test/filenames_test.pickle: 0 is already in the list of train; it stays there",
        "train/filenames_train.pickle: lists 99.jpg without a picture",
    ]


def test_wrong_attribute_rows_are_named(tmp_path):
    root = write_folder(tmp_path)
    lines = attribute_text(["0", "1", "2"]).splitlines()
    lines[3] = lines[3].replace("1.jpg 1", "1.jpg 7").replace("1.jpg -1", "1.jpg 7")
    lines[4] += " 1"
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text("\n".join(lines))
    folder = open_folder(root)
    assert [bool(face.attributes) for face in folder.faces] == [True, False, False, False]
    assert {(p.kind, p.item) for p in folder.problems} == {
        ("bad-attribute-row", "CelebAMask-HQ-attribute-anno.txt, line 4"),
        ("bad-attribute-row", "CelebAMask-HQ-attribute-anno.txt, line 5"),
        ("missing-attributes", "CelebAMask-HQ-attribute-anno.txt"),
    }


def test_a_file_that_is_no_attribute_file_is_named(tmp_path):
    root = write_folder(tmp_path)
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text("hello\n" * 10)
    assert kinds(open_folder(root)) == ["attribute-file"]


def test_celebas_own_file_is_joined_through_the_mapping(tmp_path):
    root = write_folder(tmp_path)
    (root / "CelebAMask-HQ-attribute-anno.txt").unlink()
    header = "image_id," + ",".join(CELEBA_ATTRIBUTES)
    rows = [f"00010{n}.jpg," + ",".join("1" if i == n else "-1" for i in range(40)) for n in range(4)]
    (root / "list_attr_celeba.csv").write_text("\n".join([header, *rows]))
    lines = [f"{n} {100 + 3 - n} 00010{3 - n}.jpg" for n in range(4)]
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(["idx orig_idx orig_file", *lines]))
    folder = open_folder(root)
    assert folder.problems == ()
    true = [[name for name, value in face.attributes.items() if value] for face in folder.faces]
    assert true == [[CELEBA_ATTRIBUTES[n]] for n in (3, 2, 1, 0)]


def test_pictures_are_decoded_by_the_check(tmp_path):
    root = write_folder(tmp_path)
    data = (root / "images" / "0.jpg").read_bytes()
    (root / "images" / "0.jpg").write_bytes(data[: len(data) // 2])
    (root / "images" / "1.jpg").write_bytes(b"no picture")
    write_picture(root / "images" / "2.jpg", 256)
    seen = []
    report = check_folder(open_folder(root), on_face=lambda face: seen.append(face.id))
    assert seen == ["0", "1", "2", "3"]
    assert [face.id for face in report.folder.faces] == ["3"]
    assert [(p.kind, p.item) for p in report.folder.problems] == [
        ("image-size", "images/2.jpg"),
        ("unreadable-image", "images/0.jpg"),
        ("unreadable-image", "images/1.jpg"),
    ]
    assert "256x256" in report.folder.problems[0].message


def test_two_pictures_of_one_id_are_named(tmp_path):
    root = write_folder(tmp_path)
    write_picture(root / "images" / "2.png")
    folder = open_folder(root)
    assert len(folder.faces) == 4 and kinds(folder) == ["duplicate-id"]


def test_a_wrong_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        open_folder(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        open_folder(tmp_path / "file")
    with pytest.raises(UsageError, match="holds no pictures"):
        open_folder(tmp_path)


def test_a_folder_opens_as_a_data_set(tmp_path):
    dataset = open_dataset(write_folder(tmp_path), size=64)
    assert [clip.split for clip in dataset.clips] == ["train", "train", "train", "test"]
    sample = dataset.split("test")[0]
    assert sample.hr.shape == (1, 3, 64, 64) and sample.lr is None
    assert sample.captions == tuple(SENTENCES) and sample.attributes["5_o_Clock_Shadow"] == 1.0
