"""`vilaface evaluate reconstruction` into runs/evaluation with the bundled photo and, else, the command's own defaults.

Options given here are passed on and win.

python benchmarks/reconstruction.py [--faces N] [--out FOLDER] ...
"""

from __future__ import annotations

import sys
from pathlib import Path

from apps.cli.main import app

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Runs the command; the options given come last, so that they win."""
    photos = ["--photos", str(ROOT / "examples" / "astronaut.png")]
    app(["evaluate", "reconstruction", "--out", str(ROOT / "runs" / "evaluation"), *photos, *sys.argv[1:]])


if __name__ == "__main__":
    main()
