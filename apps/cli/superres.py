"""`vilaface superres`: a few pixels of a face, and maybe a sentence, to full-size faces that fit both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, GeneratorOption, JsonOption, OutOption, PresetOption, Row
from apps.cli.rows import empty_row
from apps.cli.superres_clip import check_clip, is_clip, resolve_clip
from apps.cli.superres_settings import SuperresSettings
from apps.cli.worker import Worker, run_all
from vl_backbone.common.errors import UsageError

if TYPE_CHECKING:
    from gan_mapping.editing.editor import FaceEditor
    from gan_mapping.superres.results import SuperResolution


def superres(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Pictures or clips of small faces, 8 to 256 px.")
    ],
    text: Annotated[
        str | None, typer.Option("--text", help='What the pixels do not show, e.g. "wearing eyeglasses".')
    ] = None,
    strength: Annotated[float, typer.Option("--strength", help="How much of the sentence; 1 is all of it.")] = 1.0,
    out: OutOption = Path("vilaface-out"),
    samples: Annotated[int, typer.Option("--samples", min=1, max=64, help="Different answers to the same pixels.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Chooses the answers after the first.")] = 0,
    face: Annotated[str, typer.Option("--face", help='"largest" or a number: 0 is the largest face.')] = "largest",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The pictures are faces already; look for none (64 px or less always).")
    ] = False,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    generator: GeneratorOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Enlarge small faces to 1024x1024, their hidden parts as a sentence says.

    Per picture it writes NAME.sr.png, NAME.latent.safetensors and NAME.json; with --samples they are numbered and
    NAME.sheet.png shows all. A clip whose frames are the face (64 px or less, or --aligned) becomes NAME.sr.mp4, or
    what its suffix says. The details are invented: a result is no evidence of who is pictured.
    """
    with common.exit_codes(debug):
        settings = SuperresSettings(text, strength, out, samples, seed, face, aligned, preset, device, generator)
        if settings.face != "largest" and not settings.face.isdecimal():
            raise UsageError(f'--face must be "largest" or a number, got {settings.face!r}.')
        if run_all(PictureResolver(settings, images), images, as_json, debug, _tell):
            raise typer.Exit(common.SOME_FAILED)


class PictureResolver(Worker[SuperresSettings]):
    """Enlarges one face after the other."""

    def new_row(self, source: Path) -> Row:
        settings = self.settings
        text = settings.text or ""
        return empty_row("superres", str(source), text, settings.strength, settings.seed, settings.preset)

    def work(self, source: Path, name: str, row: Row) -> None:
        from fdvd.media.photos import load_photo
        from gan_mapping.editing.requests import check_strength, check_text

        settings = self.settings
        if settings.text is not None:
            check_text(settings.text)
        check_strength(settings.strength)
        if is_clip(source):
            self._resolve_clip(source, name, row)
            return
        picture = load_photo(source)
        row["warnings"] += picture.warnings
        editor = self._loaded(row)
        start = time.perf_counter()
        with common.console.status(f"{source.name}: fitting the pixels."):
            result = editor.super_resolve(
                picture.rgb,
                settings.text,
                strength=settings.strength,
                samples=settings.samples,
                seed=settings.seed,
                face=settings.face,
                aligned=settings.aligned,
            )
        written = time.perf_counter()
        self._write(name, result, row)
        now = time.perf_counter()
        row["timings_s"] = common.rounded({**result.timings_s, "write": now - written, "total": now - start})

    def _resolve_clip(self, clip: Path, name: str, row: Row) -> None:
        info = check_clip(clip, self.settings)
        suffix = clip.suffix.lower() if clip.suffix.lower() != ".avi" else ".mp4"
        out = self.target(f"{name}.sr{suffix}")
        editor = self._loaded(row)
        start = time.perf_counter()
        with common.progress_bar() as bar:
            row |= resolve_clip(editor.model, clip, info, out, self.settings, bar)
        row["outputs"]["sr"] = str(out)
        row["timings_s"] = common.rounded({"total": time.perf_counter() - start})

    def _loaded(self, row: Row) -> FaceEditor:
        row["weights"] = dict(self.editor.model.weights)
        return self.editor

    def _write(self, name: str, result: SuperResolution, row: Row) -> None:
        """Writes pictures and latents; fills in the row."""
        from PIL import Image

        from apps.cli.rows import describe_frame
        from fdvd.media.photos import save_png

        row["intents"] = result.intents
        row["warnings"] += result.warnings
        row["faces"] = [{"index": 0, **describe_frame(result.frame), "pixels": len(result.pixels)}]
        row["samples"] = []
        for number, sample in enumerate(result.samples, start=1):
            suffix = str(number) if len(result.samples) > 1 else ""
            paths = {
                "sr": self.target(f"{name}.sr{suffix}.png"),
                "latent": self.target(f"{name}.latent{suffix}.safetensors"),
            }
            save_png(Image.fromarray(sample.image), paths["sr"])
            common.write_latent(paths["latent"], sample.ws)
            outputs = {kind: str(path) for kind, path in paths.items()}
            if number == 1:
                row["outputs"] |= outputs
            if suffix:
                row["outputs"] |= {f"{kind}{suffix}": path for kind, path in outputs.items()}
            row["samples"].append({"consistency": sample.error, "latent_consistency": sample.latent_error})
        if len(result.samples) > 1:
            self._write_sheet(name, result, row)

    def _write_sheet(self, name: str, result: SuperResolution, row: Row) -> None:
        from apps.sheets import Tile, contact_sheet, in_rows
        from fdvd.media.photos import save_png

        tiles = [Tile(result.pixels, "input")]
        tiles += [Tile(sample.image, f"{number}") for number, sample in enumerate(result.samples, start=1)]
        path = self.target(f"{name}.sheet.png")
        save_png(contact_sheet(in_rows(tiles), title=self.settings.text or "pixels alone", side=256), path)
        row["outputs"]["sheet"] = str(path)


def _tell(row: Row) -> None:
    """One picture's result, for people."""
    if row["status"] != "ok":
        reason = row["error"].removeprefix(f"{row['input']}: ")
        common.say(f"FAILED  {row['input']}: {reason}", "red")
    else:
        fit = row["samples"][0]["consistency"]
        seconds = row["timings_s"]["total"]
        meaning = f"{common.understood(row['intents'])}; " if row["text"] else ""
        common.say(
            f"{Path(row['input']).name}: {meaning}{row['faces'][0]['pixels']} px; within {fit:.1f}/255 of the input; "
            f"{seconds:.1f} s; {row['outputs']['sr']}"
        )
    for warning in row["warnings"]:
        common.say(f"  note: {warning}", "yellow")
