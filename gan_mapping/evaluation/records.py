"""One JSON file per face and method, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vl_backbone.common.strict_json import to_json
from vl_backbone.weights.files import write_atomically

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
        write_atomically(self._file(name), [to_json({**record, "key": key}).encode()])

    def picture(self, name: str) -> Path:
        """Where the face's strip of small pictures is kept."""
        return self.folder / f"{name}.png"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def number(value: float | None) -> float:
    """A figure as `to_json` wrote it: null is nan."""
    return math.nan if value is None else float(value)
