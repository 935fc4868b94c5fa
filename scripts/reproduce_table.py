"""Writes the table in docs/reproduce.md from the shipped weight files and scripts/reproduce.yaml.

python scripts/reproduce_table.py [--check]   (--check writes nothing and fails when the page is not up to date)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from safetensors import safe_open

from vl_backbone.weights.files import sha256_of, write_atomically

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reproduce.md"
RECIPES = Path(__file__).with_name("reproduce.yaml")
BEGIN, END = "<!-- made by scripts/reproduce_table.py -->", "<!-- end -->"
# Metadata that describes a file's form, or is too long to be read.
NOT_SHOWN = ("attributes", "auc", "config", "format", "provenance", "validation")


def generated() -> str:
    """The part of the page between its marks: the table, and what each file says of its making."""
    rows = yaml.safe_load(RECIPES.read_text(encoding="utf-8"))
    lines = [
        "| command | file | sha256 | hours on two cores | needs | one command gives the shipped file |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        file = ROOT / row["file"]
        cells = (f"`{row['command']}`", f"`{row['file']}`", f"`{sha256_of(file)}`")
        lines.append("| " + " | ".join((*cells, str(row["hours"]), row["needs"], row["one_command"])) + " |")
    lines += ["", "What the files' metadata say:", ""]
    for row in rows:
        lines.append(f"- `{Path(row['file']).name}`: {_described(metadata_of(ROOT / row['file']))}")
    return "\n".join(lines)


def metadata_of(file: Path) -> dict[str, Any]:
    """A weight file's metadata, its provenance as an object."""
    with safe_open(file, "pt") as opened:
        found: dict[str, Any] = dict(opened.metadata() or {})
    return {**found, "provenance": json.loads(found.get("provenance", "{}"))}


def _described(metadata: dict[str, Any]) -> str:
    told = {name: value for name, value in {**metadata, **metadata["provenance"]}.items() if name not in NOT_SHOWN}
    return "; ".join(f"{name.replace('_', ' ')}: {_text(told[name])}" for name in sorted(told)) or "nothing of this"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_text(value[name])}" for name in sorted(value))
    return value if isinstance(value, str) else json.dumps(value)


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{generated()}\n{END}{after}"


def main() -> int:
    """Writes or checks the page; returns the exit code."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{PAGE.name} is not what the files say; run python scripts/reproduce_table.py\n")
            return 1
        return 0
    write_atomically(PAGE, [text.encode()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
