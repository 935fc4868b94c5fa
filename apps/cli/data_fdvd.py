"""`vilaface data fdvd` and `vilaface data celebahq`: real faces as data; the work is in fdvd."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli.common import (
    SOME_FAILED,
    DebugOption,
    DeviceOption,
    JsonOption,
    OutOption,
    check_device_name,
    exit_codes,
    output_folder,
    print_json,
    progress_bar,
    quiet_libraries,
    say,
)

if TYPE_CHECKING:
    from fdvd.datasets.builder import BuildResult

SHEET = "contact-sheet.jpg"
# A folder may lack these without being wrong.
_OPTIONAL_PIECES = frozenset(("no-captions", "no-attributes", "no-list"))


def fdvd(
    ravdess: Annotated[Path, typer.Argument(metavar="RAVDESS_FOLDER", help="Where RAVDESS's archives were unpacked.")],
    out: OutOption,
    clips: Annotated[int, typer.Option(min=0, help="How many clips, spread evenly over the actors; 0: all.")] = 0,
    size: Annotated[int, typer.Option(help="Side of the aligned clips in px.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, help="Of the descriptions.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Clips worked on at once.")] = min(4, os.cpu_count() or 1),
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Build FDVD from RAVDESS: aligned clips with ten descriptions each. Interrupt freely: it resumes.

    Writes clips/, tracks/ (where the crops lay), manifest.jsonl, problems.jsonl, statistics.md and contact-sheet.jpg.
    """
    with exit_codes(debug):
        quiet_libraries()
        check_device_name(device)
        from apps.fdvd_tools import fdvd_tools
        from fdvd.datasets.builder import BuildSettings, build_fdvd, statistics_table
        from fdvd.datasets.ravdess import find_recordings
        from gan_mapping.editing.loading import choose_device

        settings = BuildSettings(size=size, clips=clips, seed=seed)
        target = str(choose_device(device))
        find_recordings(ravdess)  # a wrong folder is an error before anything is written
        folder = output_folder(out)
        with progress_bar() as bar:
            task = bar.add_task("clips", total=None)

            def on_clip(name: str, state: str) -> None:
                bar.advance(task)
                failed = state not in ("kept", "built")
                if failed:
                    say(f"{name}: {state}", "yellow")
                if as_json:
                    print_json(
                        {"id": name, "status": "failed" if failed else state, "error": state if failed else None}
                    )

            result = build_fdvd(
                ravdess,
                folder,
                partial(fdvd_tools, target),
                settings,
                workers,
                on_clip,
                on_start=lambda count: bar.update(task, total=count),
            )
        write_sheet(result)
        for problem in result.problems:
            if problem.kind != "clip":
                say(str(problem), "yellow")
        say(statistics_table(result.statistics))
        counts = f"{result.built} new, {result.kept} kept, {len(result.problems)} problems"
        say(f"{folder}: {len(result.rows)} clips ({counts}).")
        if result.problems:
            raise typer.Exit(SOME_FAILED)


def write_sheet(result: BuildResult, clips: int = 12) -> Path | None:
    """contact-sheet.jpg: the middle frame of clips spread over the data set, with a description each."""
    from apps.sheets import Tile, contact_sheet, in_rows
    from fdvd.media.video import read_frames_at

    if not result.rows:
        return None
    step = max(1, len(result.rows) // clips)
    tiles = []
    for number, row in enumerate(result.rows[::step][:clips]):
        frame = read_frames_at(result.out / row["clip"], [row["duration"] / 2])[0]
        tiles.append(Tile(frame, row["captions"][number % len(row["captions"])]))
    path = result.out / SHEET
    temporary = path.with_name(f".{path.name}")
    contact_sheet(in_rows(tiles, 3), title="FDVD", side=384).save(temporary, "JPEG", quality=90)
    temporary.replace(path)
    return path


def celebahq(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="CelebA-HQ, Multi-Modal CelebA-HQ or FFHQ-style.")],
    check: Annotated[bool, typer.Option("--check/--no-check", help="Also decode every picture.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Pictures decoded at once.")] = min(4, os.cpu_count() or 1),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what a folder of aligned faces holds, and name what is missing or wrong in it."""
    with exit_codes(debug):
        quiet_libraries()
        from fdvd.datasets.celebahq import check_folder, describe_folder, open_folder

        found = open_folder(folder)
        if check:
            with progress_bar() as bar:
                task = bar.add_task("pictures", total=len(found.faces))
                report = check_folder(found, workers, lambda face: bar.advance(task))
        else:
            report = describe_folder(found)
        row = report.as_row()
        problems = report.folder.problems
        for problem in problems:
            say(str(problem), "yellow")
        if as_json:
            print_json(row | {"named": [{"kind": p.kind, "item": p.item, "message": p.message} for p in problems]})
        say(
            f"{folder}: {row['faces']} faces, {row['captions']} captions, {row['with_attributes']} with attributes, "
            f"splits {row['splits']}" + (f", sizes {row['sizes']}" if check else "") + f", {len(problems)} problems."
        )
        if any(problem.kind not in _OPTIONAL_PIECES for problem in problems):
            raise typer.Exit(SOME_FAILED)
