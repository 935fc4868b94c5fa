"""Contact sheets: one row of faces per sentence, kept small enough for a repository."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vl_backbone.weights.files import write_atomically

PAPER, INK = (250, 249, 247), (38, 36, 33)
GAP, HEADING = 4, 22
SHEET_FACES = 8  # on the sheet of a measurement


def save_strip(path: Path, strip: np.ndarray) -> None:
    """A face's small pictures, uint8 [rows * side, side, 3], as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(strip).save(buffer, "PNG")
    write_atomically(path, [buffer.getvalue()])


def draw_sheet(strips: Sequence[Path], headings: Sequence[str]) -> Image.Image:
    """Strips of faces side by side; before each row of pictures its heading."""
    columns = [Image.open(path).convert("RGB") for path in strips]
    side = columns[0].width
    font = ImageFont.load_default(size=14)
    longest = max(math.ceil(font.getlength(heading)) for heading in headings)
    width = max(len(columns) * (side + GAP), longest + GAP) + GAP
    sheet = Image.new("RGB", (width, len(headings) * (side + HEADING) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, heading in enumerate(headings):
        top = row * (side + HEADING)
        draw.text((GAP, top + 3), heading, INK, font)
        for i, column in enumerate(columns):
            piece = column.crop((0, row * side, side, (row + 1) * side))
            sheet.paste(piece, (GAP + i * (side + GAP), top + HEADING))
    return sheet


def save_jpeg(sheet: Image.Image, path: Path, limit: int = 340_000) -> int:
    """Writes the sheet as a JPEG of at most `limit` bytes, as good as that allows; -> its bytes."""
    for quality in range(88, 20, -4):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= limit:
            break
    write_atomically(path, [buffer.getvalue()])
    return buffer.tell()
