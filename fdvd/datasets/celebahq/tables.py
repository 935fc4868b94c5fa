"""CelebA's text tables: the 40 attributes of every picture, and CelebA-HQ's mapping to CelebA."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fdvd.datasets.problems import Problem
from fdvd.language.captions.facts import CELEBA_ATTRIBUTES
from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of

_VALUES = {"1": True, "+1": True, "-1": False, "0": False}
Rows = dict[str, dict[str, bool]]


def read_attributes(path: Path) -> tuple[Rows, list[Problem]]:
    """A CelebA attribute file -> {picture's stem: {attribute: yes or no}} and the rows that are wrong.

    Both known shapes are read: CelebA's text (a count, the names, then NAME -1 1 ...) and the comma-separated one
    (a header with image_id first). Yes is 1, no is -1 or 0. InputError when there is no header with the 40 names.
    """
    lines = list(_lines(path))
    names: list[str] | None = None
    rows: Rows = {}
    problems = []
    for number, cells in lines:
        if names is None:
            if set(cells) >= set(CELEBA_ATTRIBUTES):
                names = [cell for cell in cells if cell in CELEBA_ATTRIBUTES]
            elif number > 3:
                break
            continue
        values = [_VALUES.get(cell) for cell in cells[1:]]
        if len(values) != len(names) or None in values:
            problems.append(
                Problem(
                    "bad-attribute-row",
                    f"{path.name}, line {number}",
                    f"{len(names)} values of 1 or -1 are expected after the name; the row is left out",
                )
            )
            continue
        rows[Path(cells[0]).stem] = {name: bool(value) for name, value in zip(names, values, strict=True)}
    if names is None:
        raise InputError(f"{path}: is not a CelebA attribute file: its head does not name the 40 attributes")
    return rows, problems


def read_mapping(path: Path) -> dict[str, str]:
    """CelebA-HQ-to-CelebA-mapping.txt (idx, orig_idx, orig_file) -> {CelebA-HQ's stem: CelebA's stem}."""
    mapping = {}
    for number, cells in _lines(path):
        if number == 1 and not cells[0].isdigit():
            continue
        if len(cells) != 3 or not cells[0].isdigit():
            raise InputError(
                f"{path}, line {number}: expected three columns idx, orig_idx, orig_file; get another copy"
            )
        mapping[cells[0]] = Path(cells[2]).stem
    return mapping


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of the lines that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error, "is not text")
        raise InputError(f"{path}: cannot be read ({reason}); get another copy") from None
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.replace(",", " ").split()
        if cells:
            yield number, cells
