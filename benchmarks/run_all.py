"""All benchmarks, one after the other (`make bench`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "speed.py",
    "held_out_reading.py",
    "reconstruction.py",
    "text_reading.py",
    "edit_quality.py",
    "superres.py",
    "superres_words.py",
    "superres_fairness.py",
    "video.py",
    "hdvila.py",
    "stylegan2.py",
    "stylegan2_memory.py",
)


def main() -> int:
    failed = 0
    for script in SCRIPTS:
        print(f"\n== {script}", flush=True)
        failed |= subprocess.run([sys.executable, str(Path(__file__).parent / script)], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
