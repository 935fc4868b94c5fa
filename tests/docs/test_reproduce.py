"""docs/reproduce.md names every weight file that the packages carry, with its hash."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys

from tests.paths import ROOT

ROW = re.compile(r"^\| `(?P<command>[^`]+)` \| `(?P<file>[^`]+)` \| `(?P<sha256>[0-9a-f]{64})` \|", re.M)


def test_every_shipped_file_is_there_with_its_hash() -> None:
    rows = {row["file"]: row["sha256"] for row in ROW.finditer((ROOT / "docs" / "reproduce.md").read_text("utf-8"))}
    packages = ("vl_backbone", "fdvd", "gan_mapping", "apps")
    files = {path for package in packages for path in (ROOT / package).rglob("*.safetensors")}
    assert rows == {path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_table_is_what_the_files_say() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "reproduce_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
