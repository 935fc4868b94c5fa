"""A batch that is killed again and again: every row exactly once, the same bytes, flat memory."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from subprocess import Popen

import pytest

from apps.batch.ledger import LEDGER_NAME
from tests.apps.batch.batch_helpers import digests, ledger_rows, start, write_manifest

ROWS, KILLS = 500, 20


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_after(process: Popen[str], ledger: Path, lines: int) -> None:
    """SIGKILL once the ledger has that many lines, or let the process end by itself."""
    while process.poll() is None and lines_in(ledger) < lines:
        time.sleep(0.002)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_killed_twenty_times_and_resumed_is_the_unbroken_run(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, ROWS)
    memory = tmp_path / "memory"
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = start(manifest, "--out", whole, "--json", MEMORY_LOG=str(memory))
    _, errors = process.communicate()
    assert process.returncode == 1 and "cut.png" in errors and "Traceback" not in errors

    rng = random.Random(20)
    stops = sorted(rng.sample(range(5, ROWS - 5), KILLS))
    ledger = broken / LEDGER_NAME
    for stop in stops:
        kill_after(start(manifest, "--out", broken), ledger, stop)
        assert lines_in(ledger) < ROWS, "the run ended before it could be killed"
    process = start(manifest, "--out", broken)
    process.communicate()
    assert process.returncode == 1

    assert sorted(row["row"] for row in ledger_rows(broken)) == list(range(1, ROWS + 1))
    assert [row["status"] for row in ledger_rows(broken)].count("failed") == 1
    assert digests(broken) == digests(whole)
    written = {output["file"]: output["sha256"] for row in ledger_rows(broken) for output in row["outputs"].values()}
    assert written == digests(broken)
    leftovers = [path.name for path in broken.iterdir() if path.name.startswith(".") and path.suffix != ".lock"]
    assert leftovers == []

    used = [int(line) for line in memory.read_text().split()]
    assert len(used) == ROWS
    # 400 rows hold about 3 MB of finished pictures each second; none of that may stay.
    assert max(used[400:]) - max(used[50:100]) < 16 * 1024


def test_interrupted_leaves_a_state_that_goes_on(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, 200)
    out = tmp_path / "out"
    process = start(manifest, "--out", out)
    while process.poll() is None and lines_in(out / LEDGER_NAME) < 5:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "goes on from here" in errors and "Traceback" not in errors
    before = ledger_rows(out)
    assert 5 <= len(before) < 200
    process = start(manifest, "--out", out)
    process.communicate()
    assert process.returncode == 1
    rows = ledger_rows(out)
    assert rows[: len(before)] == before
    assert sorted(row["row"] for row in rows) == list(range(1, 201))
