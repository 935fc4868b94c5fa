"""Joining what several machines did, each in its own folder, into one output folder and one ledger."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from apps.batch.fields import check_id
from apps.batch.ledger import LEDGER_NAME, Entry, Ledger, intact, read_entries
from apps.batch.rows import Place
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of


def merge(sources: Sequence[Path], place: Place, ledger: Ledger) -> int:
    """Takes over the finished rows of other output folders (shards of other machines); returns how many.

    Only results whose files still have the noted sha256 are copied. Raises UsageError for a folder without a
    ledger.
    """
    taken = 0
    for source in sources:
        if not (source / LEDGER_NAME).is_file():
            raise UsageError(f"--merge {source}: there is no {LEDGER_NAME} in it; name a folder that a batch wrote.")
        for entry in read_entries(source / LEDGER_NAME):
            if not _sound(entry) or not intact(entry, source) or ledger.finished(entry.id, entry.key):
                continue
            try:
                _copy(entry, source, place)
            except OSError as error:
                reason = reason_of(error)
                raise InputError(f"{entry.id}: cannot be copied from {source} ({reason})") from None
            if intact(entry, place.folder):
                ledger.append(entry)
                taken += 1
    return taken


def _copy(entry: Entry, source: Path, place: Place) -> None:
    """Copies a row's files and its report."""
    place.partial.mkdir(exist_ok=True)
    for file in [*(file for file, _ in entry.outputs.values()), f"{entry.id}.json"]:
        if (source / file).is_file() and place.folder / file not in place.inputs:
            shutil.copyfile(source / file, place.partial / file)
            (place.partial / file).replace(place.folder / file)


def _sound(entry: Entry) -> bool:
    """Whether a line of another folder's ledger is a finished row whose names can be trusted."""
    try:
        safe = check_id(entry.id, entry.row) == entry.id
    except InputError:
        return False
    files = [file for file, _ in entry.outputs.values()]
    named = all(file.startswith(f"{entry.id}.") and file.endswith((".png", ".safetensors")) for file in files)
    return entry.status == "ok" and safe and named
