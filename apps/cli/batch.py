"""`vilaface batch`: a manifest or a folder in; pictures and a ledger out, resumable."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, JsonOption, PresetOption, Row
from apps.cli.rows import empty_row
from vl_backbone.common.errors import UsageError

if TYPE_CHECKING:
    from apps.batch.ledger import Ledger
    from apps.batch.manifest import BadRow, Manifest
    from apps.batch.rows import Place

RUNNERS = ("local", "ray")


@dataclass(frozen=True)
class BatchSettings:
    """How a batch runs: everything that is not in the manifest."""

    out: Path
    resume: bool
    dry_run: bool
    fail_fast: bool
    shard: str
    merge: tuple[Path, ...]
    workers: int
    runner: str
    preset: str
    device: str
    as_json: bool


def batch(
    manifest: Annotated[Path, typer.Argument(help="A .jsonl or .csv file, or a folder of photos (with --text).")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; made when missing.")],
    text: Annotated[str | None, typer.Option("--text", help="For a folder: what to change on every photo.")] = None,
    task: Annotated[str, typer.Option("--task", help='For a folder: "edit" or "superres".')] = "edit",
    strength: Annotated[float, typer.Option("--strength", help="For a folder: how much of the wish.")] = 1.0,
    refine: Annotated[
        int | None, typer.Option("--refine", min=0, max=1000, help="Steps for rows that name none.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="For rows that name none.")] = 0,
    resume: Annotated[bool, typer.Option(help="Skip rows that the ledger in --out has as done.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the manifest and show what would be done.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first row that fails.")] = False,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Images may lie outside the manifest's folder.")
    ] = False,
    shard: Annotated[str, typer.Option("--shard", help='"2/8": do the second eighth of the rows.')] = "1/1",
    merge: Annotated[
        list[Path] | None, typer.Option("--merge", help="Take over what another output folder has; repeatable.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Readers and writers beside the renderer; Ray: actors.")
    ] = 2,
    runner: Annotated[str, typer.Option("--runner", help='"local", or "ray" for a Ray cluster.')] = "local",
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Do many edits, super-resolutions and generations, listed in a manifest or a folder.

    Columns of a manifest: task (edit, superres, generate), id, image (relative to the manifest), text,
    strength, seed, refine, face, aligned, n, samples. Writes ID.KIND.png and ID.json per row and the ledger
    results.jsonl. Stopped or killed, the same command goes on where it was.
    """
    with common.exit_codes(debug):
        settings = BatchSettings(
            out, resume, dry_run, fail_fast, shard, tuple(merge or ()), workers, runner, preset, device, as_json
        )
        from apps.batch.fields import RowDefaults
        from apps.batch.manifest import read_folder, read_manifest

        defaults = RowDefaults(refine, seed)
        if manifest.is_dir():
            if task not in ("edit", "superres") or (text is None and task == "edit"):
                raise UsageError(
                    f"{manifest}: is a folder; say with --text what to change on its photos (--task edit or superres)."
                )
            plan = read_folder(manifest, task, text or "", strength, defaults)
        elif text is not None:
            raise UsageError("--text is for a folder of photos; the rows of a manifest have their own text.")
        else:
            plan = read_manifest(manifest, defaults, allow_outside)
        if run(plan, settings):
            raise typer.Exit(common.SOME_FAILED)


def run(plan: Manifest, settings: BatchSettings) -> int:
    """Runs (or only shows) a checked manifest; returns how many rows failed."""
    from apps.batch.ledger import Ledger
    from apps.batch.runner import Shard, output_place
    from gan_mapping.mappers.presets import load_preset

    if settings.runner not in RUNNERS:
        raise UsageError(f'--runner must be "local" or "ray", got {settings.runner!r}.')
    common.check_device_name(settings.device)
    load_preset(settings.preset)
    shard = Shard.parse(settings.shard)
    plan = plan.shard(shard.index, shard.count)
    for note in plan.warnings:
        common.say(f"note: {note}", "yellow")
    for row in plan.bad:
        _tell_bad(row, settings)
    if settings.dry_run:
        return _show(plan, settings)
    common.output_folder(settings.out)
    with ExitStack() as stack:
        with common.console.status("Waiting for another batch in this folder to end."):
            place = stack.enter_context(output_place(settings.out, shard, plan.rows))
        ledger = stack.enter_context(Ledger(place.folder, settings.resume))
        return _work(plan, settings, ledger, place)


def _work(plan: Manifest, settings: BatchSettings, ledger: Ledger, place: Place) -> int:
    from apps.batch.ledger import Entry
    from apps.batch.merging import merge
    from apps.batch.progress import BatchProgress

    for bad in plan.bad:
        ledger.append(Entry(bad.number, bad.id, "failed", bad.digest, _bad_sentence(bad)))
    if settings.merge:
        common.say(f"Taken over from other folders: {merge(settings.merge, place, ledger)} rows.")
    failed = len(plan.bad)
    if not plan.rows or (failed and settings.fail_fast):
        common.say(f"{failed} failed; nothing was done.", "red")
        return failed
    progress = BatchProgress(len(plan.rows), failed)
    try:
        # Closed by hand: rows in flight are still written and noted before the ledger is closed.
        with progress, closing(_reports(plan, settings, ledger, place)) as reports:
            for report in reports:
                progress.add(report)
                if settings.as_json:
                    common.print_json(report)
                if report["status"] != "ok" and settings.fail_fast:
                    break
    except KeyboardInterrupt:
        common.say(f"{progress.summary()}; the same command goes on from here.")
        raise
    common.say(f"{progress.summary()}; ledger: {ledger.path}")
    return progress.failed


def _reports(plan: Manifest, settings: BatchSettings, ledger: Ledger, place: Place) -> Generator[Row, None, None]:
    """The reports of all rows as they get done, by the chosen runner."""
    from gan_mapping.mappers.presets import load_preset

    network = load_preset(settings.preset).identity
    if settings.runner == "ray":
        from apps.batch.ray_runner import run_rows_on_ray

        load = partial(common.load_editor, settings.preset, settings.device)
        return run_rows_on_ray(plan.rows, load, network, ledger, place, settings.workers)
    from apps.batch.runner import run_rows

    editor = common.load_editor(settings.preset, settings.device)
    return run_rows(plan.rows, editor, network, ledger, place, settings.workers)


def _show(plan: Manifest, settings: BatchSettings) -> int:
    """--dry-run: says per row what would be done; touches nothing."""
    from apps.batch.ledger import LEDGER_NAME, read_entries

    entries = read_entries(settings.out / LEDGER_NAME) if settings.resume else []
    known = {entry.id for entry in entries if entry.status == "ok"}
    for row in plan.rows:
        state = "in the ledger (its files will be checked)" if row.id in known else "to do"
        if settings.as_json:
            report = empty_row(row.task, row.source, row.text, row.strength, row.seed, settings.preset)
            report |= {"id": row.id, "row": row.number, "line": row.line, "status": "planned", "plan": state}
            common.print_json(report)
        else:
            about = " ".join(part for part in (row.source, row.text and repr(row.text)) if part)
            common.say(f"{row.id}: {row.task} {about}: {state}")
    common.say(f"{len(plan.rows)} rows can be done, {len(plan.bad)} cannot. Nothing was done (--dry-run).")
    return len(plan.bad)


def _bad_sentence(row: BadRow) -> str:
    return f"line {row.line}: {row.error}"


def _tell_bad(row: BadRow, settings: BatchSettings) -> None:
    """A row that cannot be done, named by its line, before anything starts."""
    common.say(f"FAILED  {row.id} ({_bad_sentence(row)})", "red")
    if settings.as_json:
        report = empty_row("batch", None, "", 1.0, 0, settings.preset)
        report |= {"id": row.id, "row": row.number, "line": row.line, "error": _bad_sentence(row)}
        common.print_json(report)
