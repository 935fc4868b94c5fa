"""Contact sheets: captioned pictures in rows on one light page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER = (250, 249, 247)
INK = (38, 36, 33)
FAINT = (118, 113, 106)


@dataclass(frozen=True)
class Tile:
    """One picture (uint8 [H, W, 3] RGB) and the words under it."""

    picture: np.ndarray
    caption: str


def in_rows(tiles: Sequence[Tile], columns: int | None = None) -> list[list[Tile]]:
    """Tiles split into rows; by default about square, four to eight wide."""
    columns = columns or max(min(len(tiles), 4), min(8, math.isqrt(len(tiles))))
    return [list(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]


def contact_sheet(rows: Sequence[Sequence[Tile]], title: str = "", side: int = 384) -> Image.Image:
    """Rows of tiles, each picture fitted into a square of `side` px, captions below; a title on top."""
    if not rows or not all(rows):
        raise ValueError("a contact sheet needs at least one picture in every row")
    gap, margin = max(8, side // 20), max(16, side // 10)
    caption_font = ImageFont.load_default(size=max(13, side // 20))
    title_font = ImageFont.load_default(size=max(18, side // 13))
    columns = max(len(row) for row in rows)
    width = 2 * margin + columns * side + (columns - 1) * gap
    caption_height = _line_height(caption_font) * 2
    heights = [_row_height(row, side) for row in rows]
    top = margin + (round(_line_height(title_font) * 2) if title else 0)
    height = top + sum(h + caption_height for h in heights) + gap * (len(rows) - 1) + margin // 2
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((margin, margin), _shortened(title, title_font, width - 2 * margin), INK, title_font)
    y = top
    for row, row_height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            x = margin + column * (side + gap)
            picture = _fitted(tile.picture, side)
            sheet.paste(picture, (x + (side - picture.width) // 2, y + (row_height - picture.height) // 2))
            caption = _shortened(tile.caption, caption_font, side)
            draw.text((x, y + row_height + caption_height // 5), caption, FAINT, caption_font)
        y += row_height + caption_height + gap
    return sheet


def _row_height(row: Sequence[Tile], side: int) -> int:
    return max(_fitted_size(tile.picture, side)[1] for tile in row)


def _fitted_size(picture: np.ndarray, side: int) -> tuple[int, int]:
    height, width = picture.shape[:2]
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _fitted(picture: np.ndarray, side: int) -> Image.Image:
    return Image.fromarray(picture).resize(_fitted_size(picture, side), Image.Resampling.LANCZOS)


def _line_height(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return round(font.getbbox("Ag")[3])


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text on one line, cut with dots where it does not fit."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
