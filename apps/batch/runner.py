"""Runs the rows of a manifest on this machine: readers and writers work beside the one renderer.

Rows are rendered one at a time and finish in their order. What waits between the stages is bounded, by number
and by pixels, so memory does not grow with the manifest.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.batch.fields import BatchRow
from apps.batch.ledger import Ledger
from apps.batch.rows import Job, Place, new_job, perform, prepare, store
from apps.cli.common import Row
from vl_backbone.common.errors import UsageError
from vl_backbone.weights.files import exclusive_lock

if TYPE_CHECKING:
    from gan_mapping.editing.editor import FaceEditor

MAX_WAITING_MEGAPIXELS = 160.0


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """ "2/8" -> the second of eight parts; UsageError for anything else."""
        first, slash, second = text.partition("/")
        if not (slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second) <= 10_000):
            raise UsageError(f'--shard must look like "1/4" (this machine is the first of four), got {text!r}.')
        return cls(int(first), int(second))

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"


@contextmanager
def output_place(folder: Path, shard: Shard, rows: Sequence[BatchRow]) -> Iterator[Place]:
    """The output folder, held by this run alone (per shard); leftovers of a killed run are removed."""
    folder = folder.resolve()
    partial = folder / f".partial-{shard}"
    with exclusive_lock(folder / f".batch-{shard}.lock"):
        if partial.is_symlink():
            raise UsageError(f"{partial}: is a link; remove it.")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            yield Place(folder, partial, frozenset(row.image for row in rows if row.image is not None))
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def run_rows(
    rows: Sequence[BatchRow], editor: FaceEditor, network: str, ledger: Ledger, place: Place, workers: int = 2
) -> Generator[Row, None, None]:
    """Does the rows and yields the report of each when its files and its ledger line are on disk, in order.

    workers: threads that read and detect, and as many that encode and write. When the caller stops early (or a
    KeyboardInterrupt arrives) rows that are already rendered are still written and entered in the ledger.
    """
    todo = deque(rows)
    reading: deque[tuple[Future[Job], float]] = deque()
    writing: deque[tuple[Future[Job], float]] = deque()
    waiting = 0.0
    readers = ThreadPoolExecutor(workers, "read")
    writers = ThreadPoolExecutor(workers, "write")
    try:
        while todo or reading or writing:
            while todo and len(reading) < 2 * workers:
                size = _megapixels(todo[0])
                if (reading or writing) and waiting + size > MAX_WAITING_MEGAPIXELS:
                    break
                waiting += size
                row = todo.popleft()
                job = new_job(row, editor.model.preset)
                reading.append((readers.submit(prepare, job, editor, ledger.finished), size))
            if reading and len(writing) < 2 * workers:
                future, size = reading.popleft()
                job = perform(future.result(), editor, network)
                writing.append((writers.submit(store, job, place), size))
            # Results are handed on as soon as they are there; with nothing else to do, the oldest is awaited.
            while writing and (writing[0][0].done() or not reading or len(writing) >= 2 * workers):
                future, size = writing.popleft()
                yield _noted(future.result(), ledger)
                waiting -= size
                if todo:
                    break
    finally:
        readers.shutdown(wait=False, cancel_futures=True)
        for future, _ in writing:
            _noted(future.result(), ledger)
        writers.shutdown()


def _noted(job: Job, ledger: Ledger) -> Row:
    """Enters a finished row in the ledger, unless it stands there already."""
    if job.done is None:
        ledger.append(job.entry())
    return job.report


def _megapixels(row: BatchRow) -> float:
    """Size of a row's photo by its header; 0 for what has none (reading it will say why)."""
    from PIL import Image

    from fdvd.media.photos import FORMATS

    if row.image is None:
        return 0.0
    try:
        with Image.open(row.image, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            return image.width * image.height / 1e6
    except Exception:  # noqa: BLE001
        return 0.0
