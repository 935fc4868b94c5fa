"""A weight table of two tiny files, and the wheel that they come from."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

from vl_backbone.weights import WeightTable
from vl_backbone.weights.table import Conversion, Licence, Member, WeightEntry, WheelOrigin

CONTENTS = {"tiny": b"tiny weights", "tiny-words": b"a\nb\n"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder: Path) -> Path:
    """A wheel `tiny_model-1.0` holding the two files of CONTENTS."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENTS.items():
            archive.writestr(zipfile.ZipInfo(f"tiny_model/{name}.bin"), content)
    return path


def make_table(wheel: Path, **changes: Any) -> WeightTable:
    """Table of the tiny wheel; `changes` replace fields of the Conversion of 'tiny'."""
    origin = WheelOrigin("tiny-model", "1.0", sha256(wheel.read_bytes()))
    licence = Licence("MIT", "Made for this test.")
    entries = []
    for name, content in CONTENTS.items():
        member = Member(f"tiny_model/{name}.bin", len(content), sha256(content))
        fields: dict[str, Any] = {
            "members": (member,),
            "convert": "copy",
            "file": f"{name}/file.bin",
            "stored_bytes": len(content),
            "stored_sha256": sha256(content),
        }
        if name == "tiny":
            fields |= changes
        needs = ("tiny-words",) if name == "tiny" else ()
        entries.append(WeightEntry(name, "a test", origin, licence, Conversion(**fields), needs))
    return WeightTable(entries)
