"""`vilaface generate`: faces from a sentence alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, GeneratorOption, JsonOption, OutOption, PresetOption, Row
from apps.cli.rows import empty_row, outcome
from vl_backbone.common.errors import VilaFaceError
from vl_backbone.common.strict_json import to_json

if TYPE_CHECKING:
    import numpy as np

    from gan_mapping.editing.editor import FaceEditor

MAX_FACES = 1000
SHEET_FACES = 64


def generate(
    text: Annotated[str, typer.Option("--text", help='What the faces look like, e.g. "an old man".')],
    n: Annotated[int, typer.Option("--n", min=1, max=MAX_FACES, help="How many faces.")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The first face's seed; the next has the next.")] = 0,
    out: OutOption = Path("vilaface-out"),
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    generator: GeneratorOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make faces that fit a sentence.

    Per face it writes generated-SEED.png, generated-SEED.latent.safetensors and generated-SEED.json; and
    generated.sheet.png with all faces (the first 64). The same seed gives the same person for every text.
    """
    with common.exit_codes(debug):
        common.check_device_name(device)
        with common.console.status("Starting."):
            from gan_mapping.editing.requests import check_text
            from gan_mapping.mappers.presets import load_preset

            load_preset(preset)
        common.output_folder(out)
        row = empty_row("generate", None, text, 1.0, seed, preset)
        try:
            check_text(text)
        except VilaFaceError as error:
            _finish({**row, "error": str(error)}, as_json)
            raise typer.Exit(common.SOME_FAILED) from None
        editor = common.load_editor(preset, device, generator)
        if _make_faces(editor, row, range(seed, seed + n), out, as_json, debug):
            raise typer.Exit(common.SOME_FAILED)


def _make_faces(editor: FaceEditor, empty: Row, seeds: range, out: Path, as_json: bool, debug: bool) -> int:
    """Makes one face per seed and the sheet; returns how many failed."""
    from gan_mapping.editing.requests import NO_INTENT_WARNING

    failed = 0
    intents = editor.model.mappers.named(editor.model.read(empty["text"]))
    warnings = [] if intents else [NO_INTENT_WARNING]
    if not as_json:
        common.say(f"Understood: {common.understood(intents)}")
    pictures: list[tuple[np.ndarray, int]] = []
    for seed in seeds:
        row = empty_row("generate", None, empty["text"], 1.0, seed, empty["preset"])
        row |= {"weights": dict(editor.model.weights), "intents": intents, "warnings": warnings}
        with outcome(row, debug):
            picture = _make_face(editor, row, out)
            if len(pictures) < SHEET_FACES:
                pictures.append((picture, seed))
        failed += row["status"] != "ok"
        common.write_text(out / f"generated-{seed}.json", to_json(row, indent=2) + "\n")
        _finish(row, as_json)
    if pictures:
        _write_sheet(pictures, empty["text"], out / "generated.sheet.png", as_json)
    return failed


def _make_face(editor: FaceEditor, row: Row, out: Path) -> np.ndarray:
    """Makes the face of the row's seed and writes its files; fills in the row."""
    from PIL import Image

    from fdvd.media.photos import save_png

    start = time.perf_counter()
    face = editor.generate(row["text"], 1, row["seed"])[0]
    rendered = time.perf_counter()
    path = out / f"generated-{row['seed']}.png"
    latent = out / f"generated-{row['seed']}.latent.safetensors"
    save_png(Image.fromarray(face.image), path)
    common.write_latent(latent, face.ws)
    now = time.perf_counter()
    row["outputs"] |= {"face": str(path), "latent": str(latent)}
    row["timings_s"] = common.rounded({"render": rendered - start, "write": now - rendered, "total": now - start})
    return face.image


def _write_sheet(pictures: list[tuple[np.ndarray, int]], text: str, path: Path, as_json: bool) -> None:
    from apps.sheets import Tile, contact_sheet, in_rows
    from fdvd.media.photos import save_png

    tiles = [Tile(picture, f"seed {seed}") for picture, seed in pictures]
    side = 384 if len(tiles) <= 16 else 224
    save_png(contact_sheet(in_rows(tiles), title=text.strip(), side=side), path)
    if not as_json:
        common.say(f"All faces on one sheet: {path}")


def _finish(row: Row, as_json: bool) -> None:
    if as_json:
        common.print_json(row)
        common.say_failure(row)
    elif row["status"] == "ok":
        common.say(f"seed {row['seed']}: {row['timings_s']['total']:.1f} s; {row['outputs']['face']}")
    else:
        common.say(f"FAILED  seed {row['seed']}: {row['error']}", "red")
