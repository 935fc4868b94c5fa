"""Super-resolution on the page: one small face, several answers that fit it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from apps.web.edit_service import MAX_SEED, whole_number
from apps.web.jobs import Job
from apps.web.pictures import check_file_size, read_upload, save_jpeg
from apps.web.result_files import file_stem
from fdvd.media.photos import save_png
from gan_mapping.editing.requests import check_strength
from vl_backbone.common.errors import InputError

if TYPE_CHECKING:
    from apps.web.edit_service import EditService
    from gan_mapping.superres.results import SuperResolution


@dataclass(frozen=True)
class SuperResRequest:
    """image: path of the upload. text: what the pixels do not show, may be empty; the rest as in `FaceEditor`."""

    image: str | None
    text: str = ""
    samples: float = 1
    strength: float = 1.0
    seed: float = 0
    face: str = "largest"
    aligned: bool = False


def super_resolve(studio: EditService, request: SuperResRequest, job: Job | None = None) -> SuperResolution:
    """All answers for a request. Raises InputError with a sentence, or Cancelled when `job` was."""
    if request.image is None:
        raise InputError("Choose a picture first.")
    samples = whole_number(request.samples, "The number of answers", studio.limits.faces)
    if samples < 1:
        raise InputError("The number of answers must be 1 or more.")
    seed = whole_number(request.seed, "The seed", MAX_SEED)
    if isinstance(request.strength, bool) or not isinstance(request.strength, (int, float)):
        raise InputError(f"Strength must be a number, got {request.strength!r}.")
    check_strength(request.strength)
    check_file_size(request.image, studio.limits)
    photo = read_upload(request.image, studio.limits)
    text = request.text.strip() if isinstance(request.text, str) else ""
    with studio.alone():
        if job:
            job.check()
        return studio.editor.super_resolve(
            photo.rgb,
            text or None,
            strength=float(request.strength),
            samples=samples,
            seed=seed,
            face=str(request.face),
            aligned=bool(request.aligned),
        )


def write_answers(result: SuperResolution, image: str | None, folder: Path) -> list[str]:
    """The answers as full-size PNG, the likeliest first."""
    name = file_stem(image)
    paths = []
    for number, answer in enumerate(result.samples, start=1):
        path = folder / (f"{name}.sr.png" if number == 1 else f"{name}.sr{number}.png")
        save_png(Image.fromarray(answer.image), path)
        paths.append(str(path))
    return paths


def write_pair(result: SuperResolution, folder: Path) -> tuple[str, str]:
    """Views of what was read, each pixel as a square, and of the likeliest answer."""
    answer = result.samples[0].image
    side = answer.shape[0]
    pixels = Image.fromarray(result.pixels).resize((side, side), Image.Resampling.NEAREST)
    return save_jpeg(np.asarray(pixels), folder / "read.jpg"), save_jpeg(answer, folder / "answer.jpg")


def describe(result: SuperResolution) -> dict[str, Any]:
    """Facts about the answers: side of the face that was read, and how far each is from its pixels, in levels."""
    return {
        "intents": result.intents,
        "read_px": int(result.pixels.shape[0]),
        "pixel_error": [answer.error for answer in result.samples],
        "warnings": list(result.warnings),
    }
