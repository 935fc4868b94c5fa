"""The contact sheet to look at: paper-style sentences on generated faces and photos, nothing measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.evaluation.edits import thumbnail
from gan_mapping.evaluation.faces import FaceChoice, start_face
from gan_mapping.evaluation.records import FaceRecords, fingerprint
from gan_mapping.evaluation.sentences import load_sentences
from gan_mapping.evaluation.sheet import draw_sheet, save_jpeg, save_strip
from vl_backbone.common.errors import InputError


def run_sheet(
    model: FaceModel,
    choice: FaceChoice,
    out: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
    sentences: Sequence[str] | None = None,
) -> tuple[Path, dict[str, str]]:
    """Writes out/sheet.jpg (resumable by face); -> its path, and faces that failed with the reason."""
    texts = list(sentences or load_sentences().sheet)
    sources = choice.sources()
    records, strips, failed = FaceRecords(out / "sheet"), [], {}
    for place, source in enumerate(sources):
        advance(place, len(sources))
        steps = choice.steps(model, source)
        settings = [source.fingerprint(), texts, steps, asdict(model.closed_loop), model.weights, model.device.type]
        key = fingerprint({"settings": settings})
        if records.read(source.name, key) is None:
            try:
                face = start_face(model, source, steps)
            except InputError as error:
                failed[source.name] = str(error)
                continue
            small = [thumbnail(face.crop), thumbnail(face.reconstruction)]
            for text in texts:
                edit, picture = model.edit_offset(face.ws, model.read(text), face.observation)
                small.append(thumbnail(model.draw(face.ws + edit.offset) if picture is None else picture))
            save_strip(records.picture(source.name), np.concatenate(small))
            records.write(source.name, key, {"face": source.name})
        strips.append(records.picture(source.name))
    advance(len(sources), len(sources))
    if not strips:
        raise InputError("No face could be drawn: " + "; ".join(f"{face}: {why}" for face, why in failed.items()))
    path = out / "sheet.jpg"
    save_jpeg(draw_sheet(strips, ["the picture", "as it is read back", *texts]), path)
    return path, failed
