"""Writes docs/cli.md, the reference of all commands, from the code: `python scripts/cli_reference.py`.

With --check it writes nothing and fails when the page is not what the code says.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from apps.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli.md"

INTRODUCTION = """# Commands

Made from the code by `python scripts/cli_reference.py`; do not edit. Every command also has `--help`.

Messages and progress go to standard error; with `--json` standard output has one JSON object per result. Exit codes: 0
all done, 1 some items failed (each named with its reason), 2 bad usage or an unreadable manifest, 3 weights missing
or corrupt, 130 interrupted.
"""


def reference() -> str:
    """The page as Markdown."""
    root = typer.main.get_command(app)
    sections = [INTRODUCTION]
    for path, command in _commands(root, "vilaface"):
        sections.append(_section(path, command))
    return "\n".join(sections)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, command) of every command below a group, in the order of the help."""
    for name, child in getattr(command, "commands", {}).items():
        if child.hidden:
            continue
        if getattr(child, "commands", None):
            yield from _commands(child, f"{path} {name}")
        else:
            yield f"{path} {name}", child


def _section(path: str, command: Any) -> str:
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    usage = " ".join([path, *(_placeholder(p) for p in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {path}", "", "```", usage, "```", "", inspect.cleandoc(command.help or "").replace("\b", ""), ""]
    if shown:
        lines += ["| | default | meaning |", "|---|---|---|"]
        lines += [_row(f"`{_placeholder(p)}`", p) for p in arguments]
        lines += [_row(", ".join(f"`{name}`" for name in (*p.opts, *p.secondary_opts)), p) for p in options]
        lines.append("")
    return "\n".join(lines)


def _placeholder(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).upper().strip("{}<>[]")
    return f"{name}..." if parameter.nargs == -1 else str(name)


def _row(names: str, parameter: Any) -> str:
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    return f"| {names} | {_default(parameter)} | {' '.join(text.split())} |"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or callable(value) or value in ("", (), []):
        return ""
    if isinstance(value, bool):
        if not parameter.secondary_opts:
            return ""
        return f"`{(parameter.opts if value else parameter.secondary_opts)[0]}`"
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        value = value.relative_to(ROOT)
    return f"`{value}`"


def main() -> int:
    """Writes or checks the page; returns the exit code."""
    text = reference()
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{PAGE.name} is not what the code says; run python scripts/cli_reference.py\n")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
