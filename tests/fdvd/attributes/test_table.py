"""The intent axes and the label files."""

from pathlib import Path

import numpy as np
import pytest

from fdvd.attributes.table import (
    ATTRIBUTES,
    DATA_DIR,
    HELD_OUT_SEEDS,
    load_labels,
    parse_labels,
)
from vl_backbone.common.errors import InputError

HEADER = "seed,gender,age,hair_color,hair_texture,hair_length,flags\n"


def write(tmp_path: Path, body: str, header: str = HEADER) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(header + body, encoding="utf-8")
    return path


def test_axes_are_the_agreed_ones() -> None:
    assert len(ATTRIBUTES) == 48 == len(set(ATTRIBUTES))
    assert ATTRIBUTES[:3] == ("male", "age", "child")
    assert ATTRIBUTES[-3:] == ("asian", "look_left", "look_right")


def test_shipped_labels() -> None:
    common, rare = parse_labels(DATA_DIR / "labels.csv"), parse_labels(DATA_DIR / "labels_rare.csv")
    assert set(common) == set(range(2000))
    assert len(rare) == 1000 and min(rare) >= 10000 and max(rare) < 40000
    assert len(load_labels()) == 3000 and len(load_labels(rare=False)) == 2000
    assert set(HELD_OUT_SEEDS) <= set(common) and not set(HELD_OUT_SEEDS) & set(rare)
    assert sum(values["smile"] == 1 for values in common.values()) == 1247
    for values in common.values():
        assert tuple(values) == ATTRIBUTES
    assert np.load(DATA_DIR / "w_mean.npy").size == 512


def test_values_of_one_row(tmp_path: Path) -> None:
    values = parse_labels(write(tmp_path, "7,M,old,gray,none,short,receding bushy left tan\n"))[7]
    assert values["male"] == 1 and values["age"] == 1 and values["child"] == 0
    assert values["gray_hair"] == 1 and values["red_hair"] == 0 and values["bald"] == 0
    assert values["curly_hair"] is None and values["long_hair"] == 0
    assert values["bushy_brows"] == 1 and values["look_left"] == 1 and values["smile"] == 0
    assert values["dark_skin"] is None
    for name in ("arched_brows", "pointy_nose", "big_nose", "big_lips", "cheekbones", "thin", "doublechin", "bags"):
        assert values[name] is None


def test_hidden_and_bald_hair(tmp_path: Path) -> None:
    labels = parse_labels(write(tmp_path, "1,F,teen,hidden,none,medium,hat dark\n2,M,young,bald,none,bald,\n"))
    assert labels[1]["black_hair"] is None and labels[1]["bald"] is None and labels[1]["dark_skin"] == 1
    assert labels[1]["long_hair"] == 0.5 and labels[1]["age"] == 0.25
    assert labels[2]["bald"] == 1 and labels[2]["brown_hair"] is None and labels[2]["long_hair"] is None


def test_artifacts_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "1,F,teen,red,wavy,long,artifact\n2,F,teen,red,wavy,long,\n")
    assert set(parse_labels(path)) == {1, 2}
    assert set(parse_labels(path, skip_artifacts=True)) == {2}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x,F,teen,red,wavy,long,\n", "line 2.*seed 'x'"),
        ("1,X,teen,red,wavy,long,\n", "line 2.*gender 'X' is not one of M, F"),
        ("1,F,ripe,red,wavy,long,\n", "age 'ripe'"),
        ("1,F,teen,pink,wavy,long,\n", "hair_color 'pink'"),
        ("1,F,teen,red,wavy,long,smile shiny\n", "unknown flag words: shiny"),
        ("1,F,teen,red,wavy,long\n", "7 columns are needed, found 6"),
        ("1,F,teen,red,wavy,long,\n1,F,teen,red,wavy,long,\n", "line 3.*seed 1 appears twice"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_labels(write(tmp_path, body))


def test_bad_header_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="header must be seed,gender"):
        parse_labels(write(tmp_path, "", header="a,b\n"))
    with pytest.raises(InputError, match="cannot be read"):
        parse_labels(tmp_path / "nothing.csv")
