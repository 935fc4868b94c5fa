"""What the tests of the command line and the web page share: a launcher and bad files."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

VILAFACE = Path(sys.executable).with_name("vilaface")

Launch = Callable[..., "subprocess.CompletedProcess[str]"]


def run_vilaface(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command in that folder; text output is captured."""
    return subprocess.run(
        [str(VILAFACE), *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def json_rows(stdout: str) -> list[dict[str, Any]]:
    """Every line of standard output is one strict JSON object."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in stdout.splitlines()]


def huge_png(side: int = 30_000) -> bytes:
    """A small file that claims to be side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9000))
        + chunk(b"IEND", b"")
    )
