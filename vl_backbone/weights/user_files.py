"""Weight files that users bring themselves: checked, copied into the cache, remembered with their hash."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.files import explain_os_errors, partial_file, read_chunks, sha256_of, write_atomically
from vl_backbone.weights.table import NAME_PATTERN, check_name

SUPPORTED = (
    "The store keeps .safetensors files; `vilaface weights import` converts generators and PyTorch weights itself."
)


@dataclass(frozen=True)
class UserFile:
    """What is remembered of an imported file: hash, size and the name it had."""

    sha256: str
    bytes: int
    source: str


class UserFiles:
    """The user's files below `folder`, listed in `record` (JSON: {name: {sha256, bytes, source}})."""

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder = folder
        self._record = record

    def path(self, name: str) -> Path:
        """Where the file of this name lies (or would lie)."""
        return self._folder / f"{check_name(name)}.safetensors"

    def all(self) -> dict[str, UserFile]:
        """Everything imported, by name. Raises WeightsError when the record cannot be read."""
        if not self._record.exists():
            return {}
        with explain_os_errors(f"Reading {self._record}"):
            content = self._record.read_bytes()
        try:
            rows = json.loads(content)
            files = {name: UserFile(**row) for name, row in rows.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise self._broken_record() from error
        for name, file in files.items():
            whole = isinstance(file.sha256, str) and re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            if not (NAME_PATTERN.fullmatch(name) and whole and isinstance(file.bytes, int)):
                raise self._broken_record()
        return files

    def add(self, source: Path, name: str, label: str) -> Path:
        """Copies `source` into the cache under `name`, replacing an earlier import of that name.

        label: what to call the source in messages and in the record.
        Call it while holding the cache's lock. Raises WeightsError, with nothing changed, when it is refused.
        """
        target = self.path(name)
        known = self.all()
        if not source.exists():
            raise WeightsError(f"{source} does not exist.")
        if not source.is_file():
            raise WeightsError(f"{source} is not a regular file. {SUPPORTED}")
        if source.suffix.lower() != ".safetensors":
            raise WeightsError(f"{source.name} is not taken in: {SUPPORTED}")
        with explain_os_errors(f"Copying {source}"), partial_file(target) as partial:
            with source.open("rb") as reader, partial.open("wb") as writer:
                for chunk in read_chunks(reader):
                    writer.write(chunk)
            # The copy is what gets checked and used, so a source that changes meanwhile does no harm.
            check_safetensors(partial, label)
            file = UserFile(sha256_of(partial), partial.stat().st_size, label)
        known[name] = file
        text = json.dumps({key: asdict(value) for key, value in sorted(known.items())}, indent=1)
        with explain_os_errors(f"Writing {self._record}"):
            write_atomically(self._record, [text.encode()])
        return target

    def _broken_record(self) -> WeightsError:
        return WeightsError(f"{self._record} is damaged; delete it and import your files again.")


def check_safetensors(path: Path, label: str) -> None:
    """Raises WeightsError unless `path` is a whole safetensors file with at least one tensor.

    label: what to call the file in messages. The library checks that the header covers the file exactly.
    """
    try:
        with safe_open(path, framework="numpy") as content:
            empty = not list(content.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{label} is not a whole safetensors file (truncated, damaged or another format): {error}. {SUPPORTED}"
        ) from error
    if empty:
        raise WeightsError(f"{label} holds no tensors.")
