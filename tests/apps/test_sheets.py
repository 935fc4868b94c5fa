"""Contact sheets."""

from __future__ import annotations

import numpy as np
import pytest

from apps.sheets import PAPER, Tile, contact_sheet, in_rows


def tile(width: int, height: int, caption: str = "a caption") -> Tile:
    return Tile(np.full((height, width, 3), (10, 200, 30), np.uint8), caption)


def test_every_picture_is_on_the_sheet_and_has_a_margin() -> None:
    sheet = np.asarray(contact_sheet([[tile(100, 100), tile(300, 150)], [tile(50, 100)]], title="T", side=100))
    green = (sheet == (10, 200, 30)).all(axis=2)
    assert green.sum() == 100 * 100 + 100 * 50 + 50 * 100
    for edge in (sheet[:8], sheet[-8:], sheet[:, :8], sheet[:, -8:]):
        assert (edge == PAPER).all()


def test_long_captions_stay_under_their_picture() -> None:
    short = contact_sheet([[tile(100, 100), tile(100, 100)]], side=100)
    long = contact_sheet([[tile(100, 100, "word " * 90), tile(100, 100)]], title="title " * 90, side=100)
    assert long.width == short.width


@pytest.mark.parametrize(("count", "rows"), [(1, [1]), (4, [4]), (6, [4, 2]), (64, [8] * 8)])
def test_tiles_are_split_into_rows(count: int, rows: list[int]) -> None:
    assert [len(row) for row in in_rows([tile(4, 4)] * count)] == rows


def test_an_empty_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        contact_sheet([])
