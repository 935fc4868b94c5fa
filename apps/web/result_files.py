"""Answers as the page shows them: files of a visitor, entries of the history, rows for the endpoints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

from apps.cli.common import rounded
from apps.cli.rows import describe_face, empty_row
from apps.cli.video import describe
from apps.clip.job import ClipResult
from apps.web import words
from apps.web.clips import ClipRequest
from apps.web.edit_service import Edit, EditService
from apps.web.history import Entry
from apps.web.pictures import THUMBNAIL_SIDE, preview, save_jpeg
from apps.web.store import ResultStore
from fdvd.media.photos import Photo, save_png
from gan_mapping.editing.results import GeneratedFace
from gan_mapping.mappers.presets import load_preset


def write_edit(edit: Edit, folder: Path) -> dict[str, str]:
    """The full-size PNGs of an edit: the whole photo, and every edited face as the generator drew it."""
    name = file_stem(edit.request.image)
    paths = {"edited": folder / f"{name}.edited.png"}
    save_png(edit.image, paths["edited"])
    for number, face in enumerate(edit.result.faces, start=1):
        key = "face" if number == 1 else f"face{number}"
        paths[key] = folder / f"{name}.{key}.png"
        save_png(Image.fromarray(face.edited), paths[key])
    return {kind: str(path) for kind, path in paths.items()}


def write_views(edit: Edit, folder: Path) -> tuple[tuple[str, str], ...]:
    """(before, after) previews of the photo, of the first face in it, and of the generator's drawings."""
    face = edit.result.faces[0]
    before = edit.known.photo.rgb
    # Where a photo is grey or see-through, the edit is shown as it will be saved.
    after = edit.result.rgb if edit.known.photo.native.mode == "RGB" else Photo.from_image(edit.image).rgb
    pairs = (
        (preview(before), preview(after)),
        (face.crop, face.frame.crop(after)),
        (face.reconstruction, face.edited),
    )
    return tuple(
        (save_jpeg(a, folder / f"view{i}-before.jpg"), save_jpeg(b, folder / f"view{i}-after.jpg"))
        for i, (a, b) in enumerate(pairs)
    )


def make_entry(store: ResultStore, visitor: str, edit: Edit, seconds: float, tuned: bool) -> Entry:
    """Writes everything the page shows of an edit."""
    folder = store.folder(visitor)
    views = write_views(edit, folder)
    files = write_edit(edit, folder)
    thumbnail = save_jpeg(preview(edit.result.faces[0].edited, THUMBNAIL_SIDE), folder / "thumbnail.jpg")
    summary = words.summary(edit, seconds)
    return Entry(edit.request, edit.steps, folder, views, files["edited"], files["face"], thumbnail, summary, tuned)


def edit_row(studio: EditService, edit: Edit, files: dict[str, str], seconds: float) -> dict[str, Any]:
    """The JSON object of an edit, with the fields the command line prints; files go by name, not by path."""
    model, request = studio.editor.model, edit.request
    row = empty_row("edit", Path(request.image or "").name, request.text, request.strength, 0, model.preset)
    network = load_preset(model.preset).identity
    return row | {
        "status": "ok",
        "refine": edit.steps,
        "sliders": {"pose": request.pose, "age": request.age, "smile": request.smile},
        "intents": edit.result.intents,
        "faces": [describe_face(face, network) for face in edit.result.faces],
        "outputs": row["outputs"] | {kind: Path(path).name for kind, path in files.items()},
        "timings_s": rounded(edit.timings_s | {"total": seconds}),
        "weights": dict(model.weights),
        "warnings": edit.warnings,
    }


def clip_row(studio: EditService, request: ClipRequest, result: ClipResult, out: Path) -> dict[str, Any]:
    """The JSON object of an edited clip, with the fields the command line prints."""
    model = studio.editor.model
    row = empty_row("video", Path(request.clip or "").name, request.text, request.strength, 0, model.preset)
    return row | {
        "status": "ok",
        "refine": studio.steps(request.refine),
        **describe(result),
        "outputs": row["outputs"] | {"edited": out.name, "video": out.name},
        "weights": dict(model.weights),
    }


def write_faces(faces: list[GeneratedFace], folder: Path) -> list[tuple[str, str]]:
    """(path, caption) of generated faces as PNG."""
    files = []
    for face in faces:
        path = folder / f"face-{face.seed}.png"
        save_png(Image.fromarray(face.image), path)
        files.append((str(path), f"seed {face.seed}"))
    return files


def file_stem(image: str | None) -> str:
    """The upload's own name without its ending, harmless as a file name."""
    stem = re.sub(r"[^\w. -]", "_", Path(image or "").stem)[:80].strip(" .")
    return stem or "photo"
