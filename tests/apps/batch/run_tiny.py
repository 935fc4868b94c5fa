"""`vilaface batch` with the stand-in editor: the real command, only the networks are small. Run by the tests."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import torch

from apps.cli import batch, common
from apps.cli.main import app
from tests.apps.batch.batch_editor import batch_editor

if __name__ == "__main__":
    torch.set_num_threads(1)
    common.load_editor = lambda preset, device: batch_editor()
    memory = os.environ.get("MEMORY_LOG")
    if memory:
        shown = common.print_json

        def print_and_measure(row: common.Row) -> None:
            """Notes the resident memory (in KiB) after every row."""
            shown(row)
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            with Path(memory).open("a", encoding="ascii") as log:
                log.write(f"{pages * resource.getpagesize() // 1024}\n")

        batch.common.print_json = print_and_measure
    app(["batch", *sys.argv[1:]])
