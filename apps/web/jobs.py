"""Cancelling: a visitor's running work looks at a flag at every step and stops when it is set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]


class Cancelled(Exception):  # noqa: N818
    """The visitor does not want the answer any more."""


class Job:
    """One piece of work that can be told to stop."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def cancel(self) -> None:
        """The work ends at its next step."""
        self._stop.set()

    def check(self) -> None:
        """Raises Cancelled when the work is to end."""
        if self._stop.is_set():
            raise Cancelled

    def watching(self, report: Report | None) -> Report:
        """`report`, called as (step, steps), that ends the work when it was cancelled."""

        def step(done: int, steps: int) -> None:
            self.check()
            if report is not None:
                report(done, steps)

        return step


class Jobs:
    """The running work of every visitor; several browser tabs are several visitors."""

    def __init__(self) -> None:
        self._running: dict[str, set[Job]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def start(self, visitor: str) -> Iterator[Job]:
        """A job of that visitor for as long as the `with` block lasts."""
        job = Job()
        with self._lock:
            self._running.setdefault(visitor, set()).add(job)
        try:
            yield job
        finally:
            with self._lock:
                self._running[visitor].discard(job)
                if not self._running[visitor]:
                    del self._running[visitor]

    def cancel(self, visitor: str) -> None:
        """Ends everything that runs for that visitor, at its next step."""
        with self._lock:
            jobs = list(self._running.get(visitor, ()))
        for job in jobs:
            job.cancel()
