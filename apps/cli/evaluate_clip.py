"""`vilaface evaluate clip`: a CLIP that the user brought says how well pictures fit a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, JsonOption
from vl_backbone.common.errors import InputError


def evaluate_clip(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Pictures of faces, e.g. NAME.face.png.")],
    text: Annotated[str, typer.Option("--text", help="The sentence they should fit.")],
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """How well pictures fit a sentence by CLIP (your own files, see `weights list --preset paper`).

    The cosine of two vectors: only differences between pictures for the same sentence say something.
    """
    failed = 0
    with common.exit_codes(debug):
        common.check_device_name(device)
        common.quiet_libraries()
        with common.console.status("Loading CLIP."):
            from fdvd.media.photos import load_photo
            from gan_mapping.editing.loading import choose_device
            from gan_mapping.editing.requests import check_text
            from gan_mapping.images import to_batch
            from gan_mapping.perception.clip import load_clip

            check_text(text)
            clip = load_clip(choose_device(device))
        for image in images:
            row: common.Row = {"input": str(image), "text": text, "status": "failed", "error": None}
            try:
                similarity = float(clip(to_batch([load_photo(image).rgb], None, clip.device), text))
                row |= {"status": "ok", "similarity": round(similarity, 4), "weights": clip.weights}
                message = f"{similarity:.4f}  {image}"
            except InputError as error:
                failed += 1
                row["error"] = str(error)
                message = f"FAILED  {image}: {error}"
            if as_json:
                common.print_json(row)
            else:
                common.say(message)
    if failed:
        raise typer.Exit(common.SOME_FAILED)
