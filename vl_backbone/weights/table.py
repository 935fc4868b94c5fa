"""The table of weight files: `weights.yaml` as frozen, validated records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

import yaml

from vl_backbone.common.errors import WeightsError

NAME_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
_CONVERT_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]*")
_PACKAGE_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]*")
_VERSION_PATTERN = re.compile(r"[0-9][0-9a-z.]*")


def check_name(name: str) -> str:
    """`name` if it is safe as a file name on every system; WeightsError otherwise."""
    if not NAME_PATTERN.fullmatch(name):
        raise WeightsError(
            f"{name!r} is not a usable name for weights: letters, digits, '.', '_' and '-' only, "
            "not starting with a dot, at most 100 characters."
        )
    return name


@dataclass(frozen=True)
class WheelOrigin:
    """A wheel in the package index; `sha256` is of the wheel file."""

    package: str
    version: str
    sha256: str

    def __post_init__(self) -> None:
        _require(_PACKAGE_PATTERN.fullmatch(self.package), f"package {self.package!r}")
        _require(_VERSION_PATTERN.fullmatch(self.version), f"version {self.version!r} of {self.package}")
        _require(_SHA256_PATTERN.fullmatch(self.sha256), f"wheel_sha256 of {self.package}")

    def __str__(self) -> str:
        return f"the Python package {self.package} {self.version}"


@dataclass(frozen=True)
class UserOrigin:
    """A file that only the user may get.

    how: where and how. megabytes: about how large it is, 0 if that depends. otherwise: what to do when it is
    no longer there.
    """

    how: str
    megabytes: int = 0
    otherwise: str = ""

    def __post_init__(self) -> None:
        _require(isinstance(self.how, str) and self.how, "'yours' without a text")
        _require(type(self.megabytes) is int and self.megabytes >= 0, f"megabytes {self.megabytes!r}")
        _require(isinstance(self.otherwise, str), "'otherwise' that is no text")

    def __str__(self) -> str:
        return "your own copy"


@dataclass(frozen=True)
class Member:
    """One file inside a wheel."""

    path: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        _require_relative(self.path)
        _require(self.bytes > 0, f"bytes of {self.path}")
        _require(_SHA256_PATTERN.fullmatch(self.sha256), f"sha256 of {self.path}")


@dataclass(frozen=True)
class Licence:
    """Under which terms the weights are published, and one honest sentence about that."""

    name: str
    note: str

    def __post_init__(self) -> None:
        _require(self.name and self.note, "a licence without name or note")


@dataclass(frozen=True)
class Conversion:
    """How a wheel's members become the stored file, and what that file must be."""

    members: tuple[Member, ...]
    convert: str
    file: str
    stored_bytes: int
    stored_sha256: str

    def __post_init__(self) -> None:
        _require(self.members, f"{self.file}: no members")
        base_names = {PurePosixPath(member.path).name for member in self.members}
        _require(len(base_names) == len(self.members), f"{self.file}: two members of the same base name")
        _require(_CONVERT_PATTERN.fullmatch(self.convert), f"convert {self.convert!r}")
        _require(self.convert != "copy" or len(self.members) == 1, f"{self.file}: only one member can be copied")
        _require_relative(self.file)
        _require(self.stored_bytes > 0, f"stored_bytes of {self.file}")
        _require(_SHA256_PATTERN.fullmatch(self.stored_sha256), f"stored_sha256 of {self.file}")


@dataclass(frozen=True)
class WeightEntry:
    """One line of the table. `conversion` is None exactly when the origin is the user's."""

    name: str
    purpose: str
    origin: WheelOrigin | UserOrigin
    licence: Licence
    conversion: Conversion | None = None
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        _require(self.purpose, f"purpose of {self.name}")
        _require((self.conversion is None) == isinstance(self.origin, UserOrigin), f"members of {self.name}")


class WeightTable:
    """The entries by name, in the table's order."""

    def __init__(self, entries: Iterable[WeightEntry]) -> None:
        """Raises WeightsError for repeated names or files and for `needs` that are not in the table."""
        self._entries: dict[str, WeightEntry] = {}
        files: set[str] = set()
        for entry in entries:
            _require(entry.name not in self._entries, f"two entries named {entry.name}")
            self._entries[entry.name] = entry
            if entry.conversion is not None:
                _require(entry.conversion.file not in files, f"two entries with file {entry.conversion.file}")
                files.add(entry.conversion.file)
        for entry in self:
            for needed in entry.needs:
                _require(needed in self._entries, f"{entry.name} needs {needed}, which is not there")

    def __iter__(self) -> Iterator[WeightEntry]:
        return iter(self._entries.values())

    def get(self, name: str) -> WeightEntry | None:
        """The entry of this name, or None."""
        return self._entries.get(name)

    def with_needs(self, names: Iterable[str]) -> list[WeightEntry]:
        """These entries and all they need, each once, in the table's order; WeightsError if unknown."""
        wanted: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            entry = self._entries.get(name)
            if entry is None:
                known = ", ".join(self._entries)
                raise WeightsError(f"There are no weights named {name!r}. Known names: {known}.")
            if name not in wanted:
                wanted.add(name)
                pending.extend(entry.needs)
        return [entry for entry in self if entry.name in wanted]


def load_table() -> WeightTable:
    """The table that comes with VilaFace."""
    text = resources.files("vl_backbone.weights").joinpath("weights.yaml").read_text(encoding="utf-8")
    return parse_table(text)


def parse_table(text: str) -> WeightTable:
    """A table from YAML text. Raises WeightsError when an entry is not as the file's top says."""
    try:
        rows = yaml.safe_load(text)
        return WeightTable([_entry(row) for row in rows])
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise WeightsError(f"The table of weights is malformed: {type(error).__name__} {error}.") from error


def _entry(row: Mapping[str, Any]) -> WeightEntry:
    known = {"name", "purpose", "file", "origin", "members", "convert"}
    known |= {"stored_bytes", "stored_sha256", "needs", "licence"}
    _require(set(row) <= known, f"unknown fields {sorted(set(row) - known)}")
    origin: WheelOrigin | UserOrigin
    conversion = None
    if "yours" in row["origin"]:
        given = dict(row["origin"])
        origin = UserOrigin(given.pop("yours"), **given)
    else:
        wheel = row["origin"]
        origin = WheelOrigin(wheel["wheel"], str(wheel["version"]), wheel["wheel_sha256"])
        conversion = Conversion(
            members=tuple(Member(**member) for member in row["members"]),
            convert=row["convert"],
            file=row["file"],
            stored_bytes=row["stored_bytes"],
            stored_sha256=row["stored_sha256"],
        )
    return WeightEntry(
        name=row["name"],
        purpose=row["purpose"],
        origin=origin,
        licence=Licence(**row["licence"]),
        conversion=conversion,
        needs=tuple(row.get("needs", ())),
    )


def _require(condition: object, what: str) -> None:
    if not condition:
        raise WeightsError(f"The table of weights is wrong: {what}.")


def _require_relative(path: str) -> None:
    """Paths in the table stay below the folder they are joined to, on every system."""
    parts = path.split("/")
    safe = all(NAME_PATTERN.fullmatch(part) for part in parts)
    _require(safe, f"path {path!r}")
