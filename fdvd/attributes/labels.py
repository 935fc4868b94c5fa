"""The hand-made labels of generated faces: CSV files in the columns that the attributes table names."""

from __future__ import annotations

import csv
from pathlib import Path

from fdvd.attributes.loading import attribute_table
from fdvd.attributes.rows import AttributeTable
from vl_backbone.common.errors import InputError

HELD_OUT_SEEDS = range(1600, 2000)
"""Faces never used for fitting: metrics are taken on these seeds."""

DATA_DIR = Path(__file__).parents[1] / "data"
SEED, FLAGS, ARTIFACT = "seed", "flags", "artifact"

Labels = dict[str, float | None]


def parse_labels(
    path: str | Path, *, skip_artifacts: bool = False, table: AttributeTable | None = None
) -> dict[int, Labels]:
    """Read a label CSV into ``{seed: {attribute: value}}`` with every attribute present.

    Values are 1 (yes), 0 (no) or None (unknown), except ``age`` (child 0 .. old 1) and ``long_hair``
    (short 0, medium 0.5, long 1, unknown when bald). Hair colours are unknown when the hair is hidden or
    absent, hair texture when it reads ``none``, ``bald`` when a hat hides the hair, and ``dark_skin`` for
    tanned skin, because the guide says that tan and dark meet softly.

    Args:
        path: The CSV file, with the header of the labelling guide.
        skip_artifacts: Leave out the faces flagged as broken.
        table: The attributes; those of the program, unless given.
    """
    table = table or attribute_table()
    columns = (SEED, *table.label_columns, FLAGS)
    source = Path(path)
    labels: dict[int, Labels] = {}
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: the label file cannot be read: {error}") from error
    rows = csv.reader(text.splitlines())
    header = next(rows, [])
    if tuple(header) != columns:
        raise InputError(f"{source}: the header must be {','.join(columns)}, found {','.join(header)!r}")
    for row in rows:
        if not row:
            continue
        where = f"{source}, line {rows.line_num}"
        if len(row) != len(columns):
            raise InputError(f"{where}: {len(columns)} columns are needed, found {len(row)}")
        record = dict(zip(columns, (cell.strip() for cell in row), strict=True))
        if not (record[SEED].isascii() and record[SEED].isdigit()):
            raise InputError(f"{where}: seed {record['seed']!r} is not a whole number")
        seed = int(record[SEED])
        if seed in labels:
            raise InputError(f"{where}: seed {seed} appears twice")
        flags = set(record[FLAGS].split())
        values = _row_labels(record, flags, where, table)
        if not (skip_artifacts and ARTIFACT in flags):
            labels[seed] = values
    return labels


def load_labels(*, rare: bool = True) -> dict[int, Labels]:
    """The labels shipped with the package: the unselected set, and by default the rare set too."""
    labels = parse_labels(DATA_DIR / "labels.csv")
    if rare:
        labels |= parse_labels(DATA_DIR / "labels_rare.csv")
    return labels


def _row_labels(record: dict[str, str], flags: set[str], where: str, table: AttributeTable) -> Labels:
    """One checked CSV record as a value for every attribute."""
    for column, allowed in table.label_columns.items():
        if record[column] not in allowed:
            raise InputError(f"{where}: {column} {record[column]!r} is not one of {', '.join(allowed)}")
    strange = sorted(flags - table.flags.keys() - table.unsure_flags.keys() - {ARTIFACT})
    if strange:
        raise InputError(f"{where}: unknown flag words: {', '.join(strange)}")
    values: Labels = {}
    for row in table:
        rule = row.label
        if rule.column is not None:
            values[row.name] = (rule.values or {}).get(record[rule.column], 0.0)
        elif rule.flag in flags:
            values[row.name] = 1.0
        else:
            values[row.name] = None if rule.missing_unknown or rule.unsure in flags else 0.0
    return values
