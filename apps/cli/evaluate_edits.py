"""`vilaface evaluate edits`, `reconstruction` and `sheet`; the work is in gan_mapping.evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli.common import (
    DebugOption,
    DeviceOption,
    JsonOption,
    PresetOption,
    Row,
    check_device_name,
    exit_codes,
    load_editor,
    output_folder,
    print_json,
    say,
    write_text,
)
from apps.cli.evaluate_shared import advancing, name_failures
from vl_backbone.common.strict_json import to_json

if TYPE_CHECKING:
    from gan_mapping.evaluation.edit_runs import MethodRun
    from gan_mapping.evaluation.reconstruction import ReconstructionRun

FacesOption = Annotated[int, typer.Option("--faces", help="How many of the 400 held-out generated faces.")]
PhotosOption = Annotated[
    list[Path] | None, typer.Option("--photos", help="A photo or a folder of photos; give it several times for more.")
]
RefineOption = Annotated[
    int | None, typer.Option("--refine", help="Refinement steps on a photo.  [default: the preset's]")
]
MappersOption = Annotated[
    list[Path] | None,
    typer.Option("--mappers", help="A mapper file for one more row of the table; give it several times for more."),
]
PerceptualOption = Annotated[
    str | None,
    typer.Option(help="Perceptual network: lpips-vgg, lpips-alex, efficientnet-lite0.  [default: the preset's]"),
]
ReportFolderOption = Annotated[Path, typer.Option("--out", help="Folder for the report; what it holds is not redone.")]


def edits(
    out: ReportFolderOption,
    faces: FacesOption = 100,
    photos: PhotosOption = None,
    mappers: MappersOption = None,
    refine: RefineOption = None,
    strength_faces: Annotated[int, typer.Option(help="Faces on which the slider is measured.")] = 12,
    boundary_faces: Annotated[int, typer.Option(help="Faces of the baseline of boundaries in w; 0: leave out.")] = 100,
    optimised_faces: Annotated[int, typer.Option(help="Faces of the optimisation baseline; 0: leave out.")] = 2,
    optimised_sentences: Annotated[int, typer.Option(help="Sentences of the optimisation baseline.")] = 3,
    optimised_steps: Annotated[int, typer.Option(min=1, help="Adam steps of the optimisation baseline.")] = 40,
    sentences_file: Annotated[
        Path | None, typer.Option("--sentences", help="YAML with other sentences.  [default: the benchmark's thirty]")
    ] = None,
    perceptual: PerceptualOption = None,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Thirty sentences on held-out faces and photos: success, leakage, identity, baselines. Resumes."""
    with exit_codes(debug), advancing("editing") as advance:
        check_device_name(device)
        folder = output_folder(out)
        from gan_mapping.evaluation.edit_report import report_json, report_markdown
        from gan_mapping.evaluation.edit_runs import EditOptions, run_edits
        from gan_mapping.evaluation.optimisation import OptimisationConfig
        from gan_mapping.evaluation.sentences import SENTENCES_FILE

        options = EditOptions(
            faces,
            tuple(photos or ()),
            refine,
            strength_faces=strength_faces,
            boundary_faces=boundary_faces,
            optimised_faces=optimised_faces,
            optimised_sentences=optimised_sentences,
            optimisation=OptimisationConfig(optimised_steps, every=min(10, optimised_steps)),
            mappers=tuple(mappers or ()),
            perceptual=perceptual,
            sentences=sentences_file or SENTENCES_FILE,
        )
        runs, sentences, instruments = run_edits(load_editor(preset, device).model, options, folder, advance)
        report = report_json(runs, sentences, instruments, options)
        table = report_markdown(runs, sentences, instruments, options)
        _write_report(folder / "edits", report, table, as_json, runs)


def reconstruction(
    out: ReportFolderOption,
    faces: FacesOption = 50,
    refined_faces: Annotated[int, typer.Option(help="How many of them are refined too; photos always are.")] = 8,
    photos: PhotosOption = None,
    mappers: MappersOption = None,
    refine: RefineOption = None,
    independent: Annotated[bool, typer.Option(help="Also refine without the face network in the loss.")] = True,
    perceptual: PerceptualOption = None,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """How well faces are read back: identity, perceptual distance, PSNR, latent cosine. Resumes."""
    with exit_codes(debug), advancing("reading faces back") as advance:
        check_device_name(device)
        folder = output_folder(out)
        from gan_mapping.evaluation.reconstruction import ReconstructionOptions, run_reconstruction
        from gan_mapping.evaluation.reconstruction_report import reconstruction_json, reconstruction_markdown

        options = ReconstructionOptions(
            faces,
            tuple(photos or ()),
            refine,
            refined_faces=refined_faces,
            independent=independent,
            mappers=tuple(mappers or ()),
            perceptual=perceptual,
        )
        runs, instruments = run_reconstruction(load_editor(preset, device).model, options, folder, advance)
        report = reconstruction_json(runs, instruments, options)
        table = reconstruction_markdown(runs, instruments, options)
        _write_report(folder / "reconstruction", report, table, as_json, runs)


def sheet(
    out: ReportFolderOption,
    faces: FacesOption = 7,
    photos: PhotosOption = None,
    refine: RefineOption = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A sentence; give it several times.  [default: twelve]")
    ] = None,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """A contact sheet of sentences in the paper's style, to look at. Resumes."""
    with exit_codes(debug), advancing("drawing faces") as advance:
        check_device_name(device)
        folder = output_folder(out)
        from gan_mapping.evaluation.faces import FaceChoice
        from gan_mapping.evaluation.sheet_runs import run_sheet

        choice = FaceChoice(faces, tuple(photos or ()), refine)
        path, failed = run_sheet(load_editor(preset, device).model, choice, folder, advance, text)
        if as_json:
            print_json({"sheet": str(path), "failed": failed})
        say(f"Wrote {path}.")
        name_failures([f"{face}: {why}" for face, why in failed.items()])


def _write_report(
    path: Path, report: Row, table: str, as_json: bool, runs: Sequence[MethodRun | ReconstructionRun]
) -> None:
    """`path`.json and `path`.md; then the failures."""
    write_text(path.with_suffix(".json"), to_json(report, indent=1) + "\n")
    write_text(path.with_suffix(".md"), table)
    if as_json:
        print_json(report)
    say(f"Wrote {path.with_suffix('.md')}.")
    name_failures([f"{run.method.name}, {face}: {why}" for run in runs for face, why in run.failed.items()])
