"""Every `vilaface ...` line of the documentation names a command and options that there are."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer

from apps.cli.main import app
from tests.paths import ROOT

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name != "cli.md")]
PROMPT = re.compile(r"^(?:\.venv/bin/)?vilaface (.*)$", re.M)


def calls(page: str) -> list[str]:
    """What follows `vilaface` on the lines of a page's code blocks, continued lines joined."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.M | re.S)
    return [call for block in blocks for call in PROMPT.findall(re.sub(r"\\\n\s*", " ", block))]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words that are left."""
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(page: str) -> None:
    for call in calls(page):
        command, rest = command_of(shlex.split(call, comments=True))
        assert not getattr(command, "commands", {}), f"{page}: vilaface {call}: no such command"
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.split("=")[0].strip("[]") for word in rest if word.startswith(("--", "[--"))}
        assert used <= known | {"--help"}, f"{page}: vilaface {call}: {sorted(used - known)}"


def test_there_are_commands() -> None:
    assert sum(len(calls(page)) for page in PAGES) > 20
