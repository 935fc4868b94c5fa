"""`vilaface weights`: list, fetch, verify and import weight files; the work is in vl_backbone.weights."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from apps.cli.common import console, exit_codes, print_json, say
from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightState, WeightStatus, WeightStore

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
        needed, optional = _parts(preset) if preset is not None else (None, [])
        statuses = store.verify([*needed, *optional] if needed is not None else None)
        if as_json:
            for status in statuses:
                _write_json([status], {"optional": status.name in optional} if preset is not None else None)
        elif preset is not None:
            _write_checklist(preset, statuses, optional)
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


def _parts(name: str) -> tuple[list[str], list[str]]:
    """What the preset needs, and what it can do without."""
    from gan_mapping.mappers.presets import load_preset

    preset = load_preset(name)
    return list(preset.parts), list(preset.optional)


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


def _write_checklist(preset: str, statuses: list[WeightStatus], optional: Collection[str]) -> None:
    """One paragraph a part: where from, how large, on what terms, and what to do when the link is dead."""
    paper = Console(highlight=False, soft_wrap=True)
    needed = [status for status in statuses if status.name not in optional]
    ready = sum(status.state is WeightState.READY for status in needed)
    more = f", and {len(optional)} can be added" if optional else ""
    paper.print(f"Preset {preset}: {ready} of {len(needed)} parts are ready{more}.")
    for status in statuses:
        is_ready = status.state is WeightState.READY
        note = ", optional" if status.name in optional else ""
        style = _STATE_STYLES[status.state]
        head = f"\n\\[{'x' if is_ready else ' '}] [bold]{status.name}[/bold] ({_size(status)}{note}): "
        paper.print(f"{head}[{style}]{status.state}[/{style}]")
        # What the user has to bring says where it is; the rest comes from a package.
        source = status.how.removesuffix(f" Then run `{status.command}`.")
        rows = {"what for": status.purpose, "from": status.origin if source == status.how else source}
        if not is_ready:
            rows |= {"get it": status.command, "no link?": status.otherwise}
        rows["licence"] = f"{status.licence}. {status.licence_note}"
        for label, text in rows.items():
            if text:
                paper.print(escape(_paragraph(label, text, paper.width)))


def _paragraph(label: str, text: str, width: int) -> str:
    """Text beside its label, wrapped for the terminal; a command stays whole, to be copied."""
    indent = 14
    room = max(40, min(width, 110) - indent)
    lines = [text] if label == "get it" else textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"    {label:<{indent - 4}}" + ("\n" + " " * indent).join(lines)


def _size(status: WeightStatus) -> str:
    if not status.bytes:
        return "size depends on your training"
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if status.bytes >= unit:
            return f"{status.bytes / unit:.3g} {name}"
    return f"{status.bytes} bytes"
