"""What the measuring commands share: a bar over the inputs, and inputs left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from apps.cli import common


@contextmanager
def advancing(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with that name; what is yielded sets it: advance(done, total)."""
    common.quiet_libraries()
    with common.progress_bar() as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def name_failures(failed: Sequence[str]) -> None:
    """Inputs that could not be measured are named, and the exit code says that there were some."""
    for reason in failed:
        common.say(f"Left out: {reason}", "yellow")
    if failed:
        raise typer.Exit(common.SOME_FAILED)
