"""`python -m apps.demo`: the bundled photo, edited three ways, and a contact sheet of it all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import typer
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from apps.cli.common import exit_codes, load_editor, progress_bar, quiet_libraries, say, understood
from apps.sheets import Tile, contact_sheet
from apps.web.examples import PORTRAIT as PHOTO
from fdvd.media.photos import load_photo, save_png
from gan_mapping.editing.session import EditSession

OUT = Path("demo-output")
TEXTS = {
    "blond-smile": "blond hair and a big smile",
    "glasses": "add glasses",
    "older": "much older",
}


def main() -> None:
    """Makes the demo."""
    quiet_libraries()
    start = time.perf_counter()
    photo = load_photo(PHOTO)
    model = load_editor("mini", "auto").model
    say(f"Editing {PHOTO.name}; the face is refined over {model.refine_steps} steps once, for all edits.")
    with progress_bar() as bar:
        session = EditSession(model, photo.rgb, progress=_reporter(bar))
    face = session.faces[0]
    save_png(Image.fromarray(face.reconstruction), OUT / "astronaut.reconstruction.png")
    faces = [Tile(face.crop, "photo, aligned"), Tile(face.reconstruction, "as the generator draws it")]
    unchanged = session.apply(next(iter(TEXTS.values())), strength=0.0).rgb
    photos = [Tile(photo.rgb, "photo"), Tile(unchanged, "strength 0: the photo, bit for bit")]
    for name, text in TEXTS.items():
        result = session.apply(text)
        save_png(photo.with_edit(result.rgb), OUT / f"astronaut.{name}.edited.png")
        save_png(Image.fromarray(result.faces[0].edited), OUT / f"astronaut.{name}.face.png")
        say(f'"{text}" was understood as: {understood(result.intents)}')
        faces.append(Tile(result.faces[0].edited, f'"{text}"'))
        photos.append(Tile(result.rgb, "the same edit, pasted back"))
    sheet = contact_sheet([faces, photos], title="VilaFace: one photo, three sentences")
    save_png(sheet, OUT / "contact-sheet.png")
    Console().print(
        f"Done in {time.perf_counter() - start:.0f} s. The pictures are in {OUT}; start with "
        f"{OUT / 'contact-sheet.png'}.",
        highlight=False,
        soft_wrap=True,
    )


def _reporter(bar: Progress) -> Callable[[int, int], None]:
    """Steps of refinement: a bar on a terminal, a line now and then elsewhere."""
    task = bar.add_task("refining", total=None)

    def report(step: int, steps: int) -> None:
        bar.update(task, completed=step, total=steps)
        if bar.disable and step % 10 == 0:
            say(f"Refined {step} of {steps} steps.")

    return report


if __name__ == "__main__":
    try:
        with exit_codes():
            main()
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
