"""The contact sheet to look at: paper-style sentences on generated faces and photos, nothing measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan_mapping.editing import FaceEditor
from gan_mapping.evaluation.edits import thumbnail
from gan_mapping.evaluation.faces import FaceSource, held_out_faces, photo_faces, start_face
from gan_mapping.evaluation.records import FaceRecords, fingerprint
from gan_mapping.evaluation.sentences import sheet_sentences
from gan_mapping.evaluation.sheet import draw_sheet, save_jpeg, save_strip
from gan_mapping.images import to_uint8
from vl_backbone.errors import InputError, UsageError


@dataclass(frozen=True)
class SheetOptions:
    """faces: held-out generated faces; photos: files and folders, refined over `refine` steps (None: the preset's)."""

    faces: int = 7
    photos: tuple[Path, ...] = ()
    refine: int | None = None

    def __post_init__(self) -> None:
        if self.faces < 0 or (self.refine or 0) < 0 or not (self.faces or self.photos):
            raise UsageError("A sheet needs --faces or --photos, and numbers of 0 or more.")
        self.sources()

    def sources(self) -> list[FaceSource]:
        """The faces, generated ones first; UsageError for what is not there."""
        return [*held_out_faces(self.faces), *photo_faces(self.photos)]


def run_sheet(
    editor: FaceEditor,
    options: SheetOptions,
    out: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
    sentences: Sequence[str] | None = None,
) -> tuple[Path, dict[str, str]]:
    """Writes out/sheet.jpg (resumable by face); -> its path, and faces that failed with the reason."""
    texts = list(sentences or sheet_sentences())
    sources = options.sources()
    records, strips, failed = FaceRecords(out / "sheet"), [], {}
    for place, source in enumerate(sources):
        advance(place, len(sources))
        steps = (editor.refine_steps if options.refine is None else options.refine) if source.real else 0
        settings = [source.fingerprint(), texts, steps, editor.weights, editor.device.type]
        key = fingerprint({"settings": settings})
        if records.read(source.name, key) is None:
            try:
                face = start_face(editor, source, steps)
            except InputError as error:
                failed[source.name] = str(error)
                continue
            small = [thumbnail(face.crop), thumbnail(face.reconstruction)]
            for text in texts:
                ws = face.ws + editor.mappers.offset(face.ws, editor.read(text))
                small.append(thumbnail(to_uint8(editor.generator.render(ws))[0]))
            save_strip(records.picture(source.name), np.concatenate(small))
            records.write(source.name, key, {"face": source.name})
        strips.append(records.picture(source.name))
    advance(len(sources), len(sources))
    if not strips:
        raise InputError("No face could be drawn: " + "; ".join(f"{face}: {why}" for face, why in failed.items()))
    path = out / "sheet.jpg"
    save_jpeg(draw_sheet(strips, ["the picture", "as it is read back", *texts]), path)
    return path, failed
