"""The command reference is what the code says."""

from __future__ import annotations

import subprocess
import sys

from tests.paths import ROOT


def test_the_page_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "cli_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_every_command_has_words_for_every_option() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert [row for row in rows if row.rstrip("| ").endswith("`")] == []
    for name in ("edit", "generate", "batch", "video", "serve", "weights list", "weights import"):
        assert f"## vilaface {name}\n" in page
