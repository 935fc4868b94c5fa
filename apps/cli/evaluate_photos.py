"""`vilaface evaluate photos`: edits of a folder of real photos, measured and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, JsonOption, PresetOption
from apps.cli.evaluate_shared import advancing, name_failures
from vl_backbone.common.errors import UsageError


def evaluate_photos(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photos, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the table, the figures and the sheet.")] = Path(
        "vilaface-photos"
    ),
    wishes: Annotated[
        Path | None, typer.Option("--wishes", help="YAML list of sentences.  [default: nine of ours]")
    ] = None,
    refine: Annotated[
        int | None, typer.Option("--refine", min=0, help="Steps that improve the likeness.  [default: the preset's]")
    ] = None,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Edit photos by several sentences and say what became of the person: photos.md, photos.json, photos.jpg.

    Per sentence: distance to the photo's own face by every face network that is there, what changed unasked, how much
    of the picture, seconds. Only the largest face of a photo is edited; nothing is written beside the photos.
    """
    with common.exit_codes(debug):
        files = _photos_of(photos)
        with advancing("measuring") as advance:
            from dataclasses import asdict

            from gan_mapping.editing.loading import load_face_model
            from gan_mapping.evaluation.photos import WISHES_FILE, load_wishes, measure_photos, report
            from gan_mapping.evaluation.sheet import save_jpeg
            from vl_backbone.common.strict_json import to_json

            sentences = load_wishes(wishes or WISHES_FILE)
            model = load_face_model(preset, device)
            records, witnesses, sheet, failed = measure_photos(model, files, sentences, refine, advance)
        if records:
            table = report(records, witnesses)
            row = {
                "networks": [{"name": w.name, "in_loss": w.in_loss} for w in witnesses],
                "refine": model.refine_steps if refine is None else refine,
                "weights": model.weights,
                "photos": [asdict(record) for record in records],
            }
            out.mkdir(parents=True, exist_ok=True)
            common.write_text(out / "photos.md", table)
            common.write_text(out / "photos.json", to_json(row, indent=1) + "\n")
            assert sheet is not None
            save_jpeg(sheet, out / "photos.jpg", limit=2_000_000)
            if as_json:
                common.print_json(row)
            common.say(table)
            common.say(f"Wrote {out / 'photos.md'}, photos.json and photos.jpg.")
        name_failures(failed)


def _photos_of(paths: list[Path]) -> list[Path]:
    from apps.batch.manifest import PICTURE_ENDINGS

    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_ENDINGS)
        else:
            found.append(path)
    if not found:
        raise UsageError("There is no photo in what was given; pass photos or a folder with photos in it.")
    return found
