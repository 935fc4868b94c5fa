"""One JSON file per face and method, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def fingerprint(settings: Mapping[str, Any]) -> str:
    """A hash of JSON-ready settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


class FaceRecords:
    """The records of one method in a folder; each is valid only under the key it was made with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, name: str, key: str) -> Json | None:
        """The face's record; None when there is none, or it is damaged or of other settings."""
        try:
            record = json.loads(self._file(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError):
            return None
        return record if isinstance(record, dict) and record.get("key") == key else None

    def write(self, name: str, key: str, record: Json) -> None:
        """Keeps the record under that key, completely or not at all."""
        write_whole(self._file(name), to_json({**record, "key": key}).encode())

    def picture(self, name: str) -> Path:
        """Where the face's strip of small pictures is kept."""
        return self.folder / f"{name}.png"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON: nan and inf become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def number(value: float | None) -> float:
    """The way back: null is nan."""
    return math.nan if value is None else float(value)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that is complete or not there at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
