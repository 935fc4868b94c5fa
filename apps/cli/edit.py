"""`vilaface edit`: photos and a sentence in; edited photos, latents and one JSON per photo out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, GeneratorOption, JsonOption, OutOption, PresetOption, Row
from apps.cli.rows import describe_face, empty_row
from apps.cli.worker import Worker, run_all
from vl_backbone.common.errors import InputError, UsageError

if TYPE_CHECKING:
    from gan_mapping.editing.results import EditResult


@dataclass(frozen=True)
class EditSettings:
    """What one call of `edit` asks for, the same for every photo; refine None: the preset's default."""

    text: str
    strength: float
    out: Path
    refine: int | None
    face: str
    aligned: bool
    seed: int
    preset: str
    device: str
    generator: str | None = None


def edit(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photos with a face in them.")],
    text: Annotated[str, typer.Option("--text", help='What to change, e.g. "blond hair and a big smile".')],
    strength: Annotated[
        float, typer.Option("--strength", help="0 changes nothing, 1 is the full wish, below 0 the opposite.")
    ] = 1.0,
    out: OutOption = Path("vilaface-out"),
    refine: Annotated[
        int | None,
        typer.Option("--refine", min=0, help="Steps that improve the likeness; 0 is quick.  [default: the preset's]"),
    ] = None,
    face: Annotated[
        str, typer.Option("--face", help='"largest", "all", or a number: 0 is the largest face.')
    ] = "largest",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photos are already aligned faces (FFHQ); look for none.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Start of the random numbers.")] = 0,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    generator: GeneratorOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Edit the faces in photos as a sentence says.

    Per photo it writes NAME.edited.png (the photo with the edit in it), NAME.face.png (the edited face),
    NAME.reconstruction.png (the face as the generator draws it, unedited), NAME.latent.safetensors and
    NAME.json. With --face all and several faces the last ones are numbered: NAME.face1.png, ...
    """
    with common.exit_codes(debug):
        settings = EditSettings(text, strength, out, refine, face, aligned, seed, preset, device, generator)
        if settings.face not in ("largest", "all") and not settings.face.isdecimal():
            raise UsageError(f'--face must be "largest", "all" or a number, got {settings.face!r}.')
        if run_all(PhotoEditor(settings, photos), photos, as_json, debug, _tell):
            raise typer.Exit(common.SOME_FAILED)


class PhotoEditor(Worker[EditSettings]):
    """Edits one photo after the other."""

    def new_row(self, source: Path) -> Row:
        settings = self.settings
        row = empty_row("edit", str(source), settings.text, settings.strength, settings.seed, settings.preset)
        return {**row, "refine": settings.refine}

    def work(self, source: Path, name: str, row: Row) -> None:
        import torch

        from fdvd.media.photos import load_photo
        from gan_mapping.editing.requests import check_strength, check_text

        settings = self.settings
        check_text(settings.text)
        check_strength(settings.strength)
        if source.is_dir():
            raise InputError(f"{source}: is a folder; pass the photos in it, for example {source}/*.jpg")
        picture = load_photo(source)
        row["warnings"] += picture.warnings
        editor = self.editor
        row["refine"] = editor.model.refine_steps if settings.refine is None else settings.refine
        row["weights"] = dict(editor.model.weights)
        start = time.perf_counter()
        torch.manual_seed(settings.seed)
        with common.progress_bar() as bar:
            result = editor.edit(
                picture.rgb,
                settings.text,
                settings.strength,
                refine=settings.refine,
                face=settings.face,
                aligned=settings.aligned,
                progress=_reporter(bar, source.name),
            )
        row["intents"] = result.intents
        row["warnings"] += result.warnings
        written = time.perf_counter()
        self._write(name, result, picture.with_edit(result.rgb), row)
        now = time.perf_counter()
        row["timings_s"] = common.rounded({**result.timings_s, "write": now - written, "total": now - start})

    def _write(self, name: str, result: EditResult, edited: object, row: Row) -> None:
        """Writes the pictures and latents; fills in `faces` and `outputs`."""
        from PIL import Image

        from fdvd.media.photos import save_png
        from gan_mapping.mappers.presets import load_preset

        assert isinstance(edited, Image.Image)
        network = load_preset(self.settings.preset).identity
        outputs = {"edited": str(self.target(f"{name}.edited.png"))}
        save_png(edited, outputs["edited"])
        faces = []
        for number, face in enumerate(result.faces, start=1):
            suffix = str(number) if len(result.faces) > 1 else ""
            files = {
                "face": self.target(f"{name}.face{suffix}.png"),
                "reconstruction": self.target(f"{name}.reconstruction{suffix}.png"),
                "latent": self.target(f"{name}.latent{suffix}.safetensors"),
            }
            save_png(Image.fromarray(face.edited), files["face"])
            save_png(Image.fromarray(face.reconstruction), files["reconstruction"])
            common.write_latent(files["latent"], face.ws)
            paths = {kind: str(path) for kind, path in files.items()}
            # The plain keys name the first face; with several, the numbered keys name all.
            outputs |= {kind: path for kind, path in paths.items() if kind not in outputs}
            if suffix:
                outputs |= {f"{kind}{suffix}": path for kind, path in paths.items()}
            faces.append({**describe_face(face, network), "outputs": paths})
        row["faces"] = faces
        row["outputs"] |= outputs


def _reporter(bar: Progress, name: str) -> Callable[[int, int], None]:
    """Shows refinement steps on the bar, from the first one on."""
    tasks: list[TaskID] = []

    def report(step: int, steps: int) -> None:
        if not tasks:
            tasks.append(bar.add_task(f"{name}: refining", total=steps))
        bar.update(tasks[0], completed=step, total=steps)

    return report


def _tell(row: Row) -> None:
    """One photo's result, for people."""
    name = Path(row["input"]).name
    if row["status"] != "ok":
        reason = row["error"].removeprefix(f"{row['input']}: ")
        common.say(f"FAILED  {row['input']}: {reason}", "red")
    else:
        others = len({path for path in row["outputs"].values() if path}) - 1
        meaning, seconds = common.understood(row["intents"]), row["timings_s"]["total"]
        common.say(f"{name}: {meaning}; {seconds:.1f} s; {row['outputs']['edited']} and {others} more files")
    for warning in row["warnings"]:
        common.say(f"  note: {warning}", "yellow")
