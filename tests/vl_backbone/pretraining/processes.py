"""Starts a script as the processes of one group, as `accelerate launch` would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys


def run_group(command: list[str], processes: int, timeout: float = 300) -> None:
    """Runs `python COMMAND...` in each of the processes; fails with what the first failed one wrote."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = []
    for rank in range(processes):
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
        place |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **place},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        group.append(process)
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in group]
    finally:
        for process in group:
            process.kill()
    for process, output in zip(group, outputs, strict=True):
        assert process.returncode == 0, output
