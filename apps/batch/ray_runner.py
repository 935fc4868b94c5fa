"""The same row function on a Ray cluster: `pip install "vilaface[ray]"`. All machines must see the same folders.

Every actor holds an editor and runs whole rows; the ledger is written here, by the one process that drives.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.batch.fields import BatchRow
from apps.batch.ledger import Entry, Ledger
from apps.batch.rows import Place, run_row
from apps.cli.common import Row
from vl_backbone.common.errors import UsageError
from vl_backbone.common.strict_json import to_json

if TYPE_CHECKING:
    from gan_mapping.editing.editor import FaceEditor


class RowActor:
    """What runs on the cluster: loads the editor once, then does one row per call."""

    def __init__(self, load: Callable[[], FaceEditor], network: str, place: Place) -> None:
        self.editor = load()
        self.network = network
        self.place = place

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """item: "row" and "last" as JSON text -> "report" and "entry" as JSON text."""
        last = Entry.from_line(item["last"].encode()) if item["last"] else None
        job = run_row(_row_from_json(item["row"]), self.editor, self.network, self.place, last)
        return {"report": to_json(job.report), "entry": "" if job.done else job.entry().to_line()}


def run_rows_on_ray(
    rows: Sequence[BatchRow],
    load: Callable[[], FaceEditor],
    network: str,
    ledger: Ledger,
    place: Place,
    workers: int = 2,
) -> Generator[Row, None, None]:
    """Like `runner.run_rows`, with `workers` actors; rows finish in any order.

    Connects to the cluster that RAY_ADDRESS names, or starts a local one. Raises UsageError without Ray.
    """
    try:
        import ray
    except ImportError:
        raise UsageError('Ray is not installed; run: pip install "vilaface[ray]"') from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    items = []
    for row in rows:
        last = ledger.last(row.id)
        items.append({"row": _row_to_json(row), "last": last.to_line() if last else ""})
    work = ray.data.from_items(items, override_num_blocks=len(items)).map(
        RowActor, fn_constructor_args=(load, network, place), concurrency=workers
    )
    for result in work.iter_rows():
        if result["entry"]:
            entry = Entry.from_line(result["entry"].encode())
            assert entry is not None
            ledger.append(entry)
        yield json.loads(result["report"])


def _row_to_json(row: BatchRow) -> str:
    values = dataclasses.asdict(row)
    return json.dumps({**values, "image": None if row.image is None else str(row.image)})


def _row_from_json(text: str) -> BatchRow:
    values = json.loads(text)
    return BatchRow(**{**values, "image": None if values["image"] is None else Path(values["image"])})
