"""`vilaface weights`: list, fetch, verify and import weight files; the work is in vl_backbone.assets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vl_backbone.assets import WeightState, WeightStatus, WeightStore
from vl_backbone.errors import WeightsError

weights_app = typer.Typer(
    help="Weight files: what there is, where it comes from, and getting it.", no_args_is_help=True
)

WEIGHTS_EXIT_CODE = 3
_STATE_STYLES = {WeightState.READY: "green", WeightState.MISSING: "yellow", WeightState.CORRUPT: "red"}

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per file on standard output.")]
NamesArgument = Annotated[list[str] | None, typer.Argument(help="Names as in `vilaface weights list`; default: all.")]


@weights_app.command("list")
def list_weights(as_json: JsonOption = False) -> None:
    """Every weight file: what it is for, its size, its licence, and whether it is here."""
    with _weights_errors():
        statuses = WeightStore().verify()
        if as_json:
            _write_json(statuses)
        else:
            _write_table(statuses)


@weights_app.command("fetch")
def fetch_weights(
    names: NamesArgument = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing when all files are here already.")] = False,
) -> None:
    """Get the weight files that are missing or damaged; quick when all are here."""
    console = Console(stderr=True)
    with _weights_errors():
        store = WeightStore()

        def say(message: str) -> None:
            console.print(escape(message), highlight=False, soft_wrap=True)

        with console.status("Checking the weight files."):
            files = store.fetch(names or None, progress=say)
        if not quiet:
            say(f"{len(files)} weight files are ready in {store.home / 'weights'}.")


@weights_app.command("verify")
def verify_weights(names: NamesArgument = None, as_json: JsonOption = False) -> None:
    """Check weight files by their hash; exit code 3 if one is not right."""
    with _weights_errors():
        statuses = WeightStore().verify(names or None)
        if as_json:
            _write_json(statuses)
        else:
            _write_table(statuses)
        # A file that only the user can bring may be absent, unless it was asked for by name.
        wrong = [
            status
            for status in statuses
            if status.state is not WeightState.READY and (names or status.sha256 is not None)
        ]
        if wrong:
            listed = ", ".join(f"{status.name} ({status.state})" for status in wrong)
            raise WeightsError(f"Not right: {listed}. {wrong[0].how}")


@weights_app.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(help="Your own weight file (.safetensors).")],
    name: Annotated[str, typer.Option("--as", help="The name to use it by.")],
    as_json: JsonOption = False,
) -> None:
    """Take your own weight file into the cache under a name."""
    with _weights_errors():
        store = WeightStore()
        target = store.import_file(file, name)
        if as_json:
            _write_json(store.verify([name]))
        else:
            Console(stderr=True).print(escape(f"Imported {file} as {name}: {target}"), soft_wrap=True)


@contextmanager
def _weights_errors() -> Iterator[None]:
    """A WeightsError becomes its sentence on standard error and exit code 3."""
    try:
        yield
    except WeightsError as error:
        Console(stderr=True).print(f"[red]Error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(WEIGHTS_EXIT_CODE) from error


def _write_json(statuses: list[WeightStatus]) -> None:
    for status in statuses:
        row = {
            "name": status.name,
            "purpose": status.purpose,
            "state": str(status.state),
            "path": str(status.path),
            "bytes": status.bytes,
            "sha256": status.sha256,
            "licence": status.licence,
            "licence_note": status.licence_note,
            "origin": status.origin,
            "how": status.how,
        }
        typer.echo(json.dumps(row))


def _write_table(statuses: list[WeightStatus]) -> None:
    table = Table("name", "purpose", "MB", "licence", "status")
    table.columns[0].no_wrap = True
    table.columns[2].justify = "right"
    for status in statuses:
        size = f"{status.bytes / 1e6:.1f}" if status.bytes else "-"
        style = _STATE_STYLES[status.state]
        state = f"[{style}]{status.state}[/{style}]"
        table.add_row(escape(status.name), escape(status.purpose), size, escape(status.licence), state)
    Console().print(table)
