"""How far a batch is: a bar with rate and remaining time on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from apps.cli import common
from apps.cli.common import Row

LINE_EVERY_S = 30.0
_WINDOW = 50  # rows over which the rate is taken


class BatchProgress:
    """Counts finished rows and shows them; use as a context manager."""

    def __init__(self, total: int, failed: int = 0) -> None:
        """total: rows to do; failed: rows that were refused before."""
        self.total = total
        self.failed = failed
        self.done = 0
        self.resumed = 0
        self._seen = 0
        self._started = self._last_line = time.monotonic()
        self._times: deque[float] = deque([self._started], maxlen=_WINDOW)
        columns = (TextColumn("{task.completed}/{task.total}"), BarColumn(), TextColumn("{task.description}"))
        terminal = common.console.is_terminal
        self._bar = Progress(
            *columns, TimeElapsedColumn(), console=common.console, transient=True, disable=not terminal
        )
        self._task = self._bar.add_task("starting", total=total)

    def __enter__(self) -> BatchProgress:
        self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.stop()

    def add(self, report: Row) -> None:
        """One more row has finished; failures are said at once."""
        self._seen += 1
        now = time.monotonic()
        if report["status"] != "ok":
            self.failed += 1
            common.say(f"FAILED  {report['id']}: {report['error']}", "red")
        elif report["resumed"]:
            self.resumed += 1
        else:
            self.done += 1
        if not report["resumed"]:
            self._times.append(now)
        self._bar.update(self._task, completed=self._seen, description=self._pace())
        if not common.console.is_terminal and now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            common.say(f"{self._seen}/{self.total}: {self._pace()}")

    def summary(self) -> str:
        """ "498 done, 2 failed, 300 were there already; 62 s"."""
        seconds = time.monotonic() - self._started
        left = self.total - self._seen
        parts = [f"{self.done} done", f"{self.failed} failed", f"{self.resumed} were there already"]
        return ", ".join([*parts, *([f"{left} left"] if left else [])]) + f"; {seconds:.0f} s"

    def _pace(self) -> str:
        """Rate over the last rows that took work, and the time the rest would take at it."""
        seconds = self._times[-1] - self._times[0]
        if len(self._times) < 2 or seconds <= 0:
            return "starting"
        rate = (len(self._times) - 1) / seconds
        left = round((self.total - self._seen) / rate)
        clock = f"{left // 3600}:{left % 3600 // 60:02d}:{left % 60:02d}"
        speed = f"{rate:.1f} rows/s" if rate >= 1 else f"{60 * rate:.1f} rows/min"
        return f"{speed}, {clock} left, {self.failed} failed"
