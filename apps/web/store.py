"""Result files of the page: every answer has a folder of its own with a name nobody can guess, and an end."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path

from apps.web.limits import Limits


class ResultStore:
    """Makes folders under `root` and removes them when their time is over; `sweep` does the removing."""

    # A browser may still be fetching what an answer has just replaced.
    _REPLACED_S = 60

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self._limits = limits
        self._ends: dict[Path, float] = {}
        self._owners: dict[Path, str] = {}
        self._lock = threading.Lock()

    def folder(self, visitor: str) -> Path:
        """A new empty folder of that visitor, readable by this user of the machine only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = Path(tempfile.mkdtemp(prefix="result-", dir=self.root))
        with self._lock:
            self._ends[path] = time.monotonic() + self._limits.keep_s
            self._owners[path] = visitor
        return path

    def drop(self, folder: Path) -> None:
        """This answer is no longer shown; it goes in a minute."""
        self._shorten([folder], self._REPLACED_S)

    def close(self, visitor: str) -> None:
        """The visitor has left; everything of theirs goes soon."""
        with self._lock:
            theirs = [path for path, owner in self._owners.items() if owner == visitor]
        self._shorten(theirs, self._limits.linger_s)

    def sweep(self) -> None:
        """Removes the folders whose time is over."""
        now = time.monotonic()
        with self._lock:
            over = [path for path, end in self._ends.items() if end <= now]
            for path in over:
                del self._ends[path], self._owners[path]
        for path in over:
            shutil.rmtree(path, ignore_errors=True)

    def _shorten(self, folders: list[Path], seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._lock:
            for path in folders:
                if path in self._ends:
                    self._ends[path] = min(self._ends[path], end)
