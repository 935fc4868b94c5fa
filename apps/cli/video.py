"""`vilaface video`: a clip and a sentence in; the edited clip, with its sound and timing, out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TaskID

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, JsonOption, PresetOption, Row
from apps.cli.rows import empty_row, outcome

if TYPE_CHECKING:
    from apps.clip.job import ClipResult, ClipSettings, Report

_STAGES = {"faces": "finding faces", "identity": "learning the faces", "frames": "editing frames"}


def video(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video with a face in it.")],
    text: Annotated[str, typer.Option("--text", help='What to change, e.g. "blond hair and a big smile".')],
    out: Annotated[Path, typer.Option("--out", help="The edited clip: .mp4, .m4v, .mov, .mkv or .webm.")],
    strength: Annotated[
        float, typer.Option("--strength", help="0 changes nothing, 1 is the full wish, below 0 the opposite.")
    ] = 1.0,
    refine: Annotated[
        int | None,
        typer.Option("--refine", min=0, help="Steps for the likeness of each face.  [default: the preset's]"),
    ] = None,
    face: Annotated[
        str, typer.Option("--face", help='"largest", "all", or a number: 0 is the largest face in view.')
    ] = "largest",
    preview: Annotated[bool, typer.Option("--preview", help="Edit the first second only.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on where an interrupted run of the same job stopped.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Start of the random numbers.")] = 0,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Edit the faces in a video as a sentence says.

    Sound and timestamps are kept; frames without a face pass through. Finished work is kept in a hidden folder
    beside the result until the clip is done: after Ctrl-C or a crash the same command goes on from there.
    """
    with common.exit_codes(debug):
        common.check_device_name(device)
        with common.console.status("Starting."):
            import torch

            from apps.clip.job import ClipSettings
            from gan_mapping.mappers.presets import load_preset

            load_preset(preset)
        torch.manual_seed(seed)
        row = {**empty_row("video", str(clip), text, strength, seed, preset), "refine": refine, "shots": []}
        settings = ClipSettings(text, strength, face, refine, preview, resume)
        try:
            with outcome(row, debug):
                _edit(clip, out, settings, row, device)
        except KeyboardInterrupt:
            common.say(f"What is done so far is kept beside {out}; the same command goes on from there.")
            raise
        _finish(row, out, as_json)


def _edit(clip: Path, out: Path, settings: ClipSettings, row: Row, device: str) -> None:
    from apps.clip.job import check_clip, edit_clip

    check_clip(clip, out, settings)
    common.output_folder(out.parent)
    model = common.load_editor(row["preset"], device).model
    row["refine"] = model.refine_steps if settings.refine is None else settings.refine
    row["weights"] = dict(model.weights)
    with common.progress_bar() as bar:
        result = edit_clip(model, clip, out, settings, _reporter(bar))
    row |= describe(result)
    row["outputs"] = {**row["outputs"], "edited": str(out), "video": str(out)}


def describe(result: ClipResult) -> dict[str, Any]:
    """What a row says about an edited clip. Times in seconds on the clip's clock; quads in its pixels."""
    plan, times = result.plan, result.times

    def span(start: int, stop: int) -> dict[str, Any]:
        return {"start_s": round(times[start], 4), "last_s": round(times[stop - 1], 4), "frames": stop - start}

    return {
        "intents": result.intents,
        "shots": [{"index": i, **span(shot.start, shot.stop)} for i, shot in enumerate(plan.shots)],
        "faces": [
            {
                "index": run.number,
                "shot": run.shot,
                **span(run.start, run.stop),
                "quad": [[round(float(v), 3) for v in point] for point in run.quads[0]],
                "score": round(float(run.scores.max()), 4),
            }
            for run in plan.runs
        ],
        "frames": plan.frames,
        "resumed_frames": result.resumed,
        "audio": result.audio,
        "timings_s": common.rounded(result.timings_s),
        "warnings": result.warnings,
    }


def _reporter(bar: Progress) -> Report:
    """Shows every stage as a bar of its own."""
    tasks: dict[str, TaskID] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(_STAGES[stage])
        bar.update(tasks[stage], completed=done, total=total or None)

    return report


def _finish(row: Row, out: Path, as_json: bool) -> None:
    """Tells people and programs; exit code 1 when it failed."""
    if as_json:
        common.print_json(row)
    if row["status"] != "ok":
        reason = row["error"].removeprefix(f"{row['input']}: ")
        common.say(f"FAILED  {row['input']}: {reason}", "red")
        raise typer.Exit(common.SOME_FAILED)
    seconds = row["timings_s"]["total"]
    common.say(
        f"{Path(row['input']).name}: {common.understood(row['intents'])}; {row['frames']} frames, "
        f"{len(row['shots'])} shots, audio {row['audio']}; {seconds:.1f} s; {out}"
    )
    for warning in row["warnings"]:
        common.say(f"  note: {warning}", "yellow")
