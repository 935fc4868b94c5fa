"""`vilaface weights`: list, fetch, verify and import weight files; the work is in vl_backbone.assets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from apps.cli.common import console, exit_codes, print_json, say
from vl_backbone.assets import WeightState, WeightStatus, WeightStore
from vl_backbone.errors import WeightsError

weights_app = typer.Typer(
    help="Weight files: what there is, where it comes from, and getting it.", no_args_is_help=True
)

_STATE_STYLES = {WeightState.READY: "green", WeightState.MISSING: "yellow", WeightState.CORRUPT: "red"}

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per file on standard output.")]
NamesArgument = Annotated[list[str] | None, typer.Argument(help="Names as in `vilaface weights list`; default: all.")]


@weights_app.command("list")
def list_weights(
    preset: Annotated[
        str | None, typer.Option("--preset", help="Only the parts of this preset, as a checklist.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Every weight file: what it is for, its size, its licence, and whether it is here."""
    with exit_codes():
        store = WeightStore()
        statuses = store.verify(_parts(preset) if preset is not None else None)
        if as_json:
            _write_json(statuses)
        elif preset is not None:
            _write_checklist(preset, statuses)
        else:
            _write_table(statuses)


@weights_app.command("fetch")
def fetch_weights(
    names: NamesArgument = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing when all files are here already.")] = False,
) -> None:
    """Get the weight files that are missing or damaged; quick when all are here."""
    with exit_codes():
        store = WeightStore()
        with console.status("Checking the weight files."):
            files = store.fetch(names or None, progress=say)
        if not quiet:
            say(f"{len(files)} weight files are ready in {store.home / 'weights'}.")


@weights_app.command("verify")
def verify_weights(names: NamesArgument = None, as_json: JsonOption = False) -> None:
    """Check weight files by their hash; exit code 3 if one is not right."""
    with exit_codes():
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
def import_file(
    file: Annotated[Path, typer.Argument(help="Your own weight file (.pkl, .pt, .pth or .safetensors).")],
    name: Annotated[str, typer.Option("--as", help="The name to use it by.")],
    as_json: JsonOption = False,
) -> None:
    """Take your own weight file into the cache under a name, converted to safetensors.

    StyleGAN2 generators of any size (NVIDIA's .pkl, rosinality's .pt, .safetensors), the files of
    `vilaface weights list --preset paper`, and other files of named tensors. Nothing in a file is executed.
    """
    with exit_codes():
        from apps.weight_import import import_weights

        store = WeightStore()
        imported = import_weights(file, name, store)
        if as_json:
            _write_json(store.verify([name]), {"notes": list(imported.notes)})
        else:
            say(f"Imported {file} as {name}: {imported.path}")
            for note in imported.notes:
                say(note)


def _parts(preset: str) -> list[str]:
    from gan_mapping.presets import load_preset

    return list(load_preset(preset).parts)


def _write_json(statuses: list[WeightStatus], more: Mapping[str, object] | None = None) -> None:
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
            "otherwise": status.otherwise,
        }
        print_json({**row, **(more or {})})


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


def _write_checklist(preset: str, statuses: list[WeightStatus]) -> None:
    """One paragraph a part: where from, how large, on what terms, and what to do when the link is dead."""
    paper = Console(soft_wrap=True, highlight=False)
    ready = sum(status.state is WeightState.READY for status in statuses)
    paper.print(f"Preset {preset}: {ready} of {len(statuses)} parts are ready.")
    for status in statuses:
        box = "x" if status.state is WeightState.READY else " "
        size = f"{status.bytes / 1e6:.3g} MB" if status.bytes else "size depends on your training"
        paper.print(f"\n\\[{box}] [bold]{status.name}[/bold]: {escape(status.purpose)} ({status.state}, {size})")
        if status.state is not WeightState.READY:
            paper.print(f"    get it: {escape(status.how)}")
            paper.print(f"    not to be had? {escape(status.otherwise)}")
        paper.print(f"    licence: {escape(status.licence)}. {escape(status.licence_note)}")
