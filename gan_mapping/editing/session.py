"""One photo, many edits: the face is found and inverted once; a sentence is tried out once, strengths are quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.pasting import paste
from gan_mapping.editing.closed_loop import EditOffset
from gan_mapping.editing.regions import paste_region
from gan_mapping.editing.requests import NO_INTENT_WARNING, check_strength, check_text
from gan_mapping.editing.results import EditedFace, EditResult, StageTimer
from vl_backbone.common.errors import InputError

if TYPE_CHECKING:
    from gan_mapping.editing.editor import FaceEditor
    from gan_mapping.editing.refinement import Progress


@dataclass(frozen=True)
class InvertedFace:
    """A face of the photo as a latent.

    index: 0 is the largest face. crop: uint8 [R, R, 3] aligned photo; ws: [1, num_ws, w_dim] its latent;
    reconstruction: uint8 [R, R, 3] render of ws. persons: [2, E] identity vectors of crop and reconstruction.
    """

    index: int
    frame: FaceFrame
    crop: np.ndarray
    ws: Tensor
    reconstruction: np.ndarray
    persons: Tensor


class EditSession:
    """The chosen faces of one photo, inverted; `apply` edits them by a sentence.

    faces: what was inverted; timings_s: seconds spent on it, by stage.
    """

    def __init__(
        self,
        editor: FaceEditor,
        image: np.ndarray,
        face: str | int = "largest",
        refine: int | None = None,
        *,
        aligned: bool = False,
        frames: Sequence[tuple[int, FaceFrame]] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Finds and inverts the faces; arguments as in `FaceEditor.edit`. Raises InputError.

        frames: what `editor.find_faces` gave, when that ran before (then `face` and `aligned` are not read).
        """
        steps = editor.refine_steps if refine is None else refine
        if steps < 0:
            raise InputError(f"refine must be 0 or more steps, got {steps}.")
        self.editor = editor
        self.image = image
        timer = StageTimer()
        if frames is None:
            with timer.stage("detect"):
                frames = editor.find_faces(image, face, aligned)
        self.faces: list[InvertedFace] = []
        for done, (index, frame) in enumerate(frames):
            with timer.stage("align"):
                crop = frame.crop(image)
            report = _shifted(progress, done, len(frames))
            ws = editor.invert(crop, steps, timer, report)
            with timer.stage("render"):
                reconstruction = editor.draw(ws)
            with timer.stage("identity"):
                persons = editor.describe_identity([crop, reconstruction])
            self.faces.append(InvertedFace(index, frame, crop, ws, reconstruction, persons))
        self.timings_s = timer.seconds
        self._aimed: dict[int, tuple[Tensor, EditOffset, np.ndarray | None]] = {}

    def apply(self, text: str, strength: float = 1.0, shifts: Mapping[str, float] | None = None) -> EditResult:
        """The photo with every face edited; timings hold the inversion's too. Raises InputError.

        shifts: attribute -> how far to move along its direction on top of the sentence (1 is from "no" to
        "yes" on average); where they are given, even all 0, the text may be empty.
        """
        check_strength(strength)
        editor = self.editor
        timer = StageTimer(dict(self.timings_s))
        with timer.stage("map_text"):
            intents, moves = self._wish(text, shifts)
        warnings = [NO_INTENT_WARNING] if text.strip() and not bool(intents.any()) else []
        shifted = {name for name, value in (shifts or {}).items() if value}
        named = editor.mappers.named(intents)
        rgb = self.image
        faces = []
        for face in self.faces:
            with timer.stage("aim"):
                aimed, edited = self._aim(face, intents * float(strength != 0))
            offset = aimed.at(strength) + moves
            ws_edited = face.ws + offset
            if edited is None or bool((offset != aimed.offset).any()):
                with timer.stage("render"):
                    edited = editor.draw(ws_edited)
            with timer.stage("paste"):
                region = paste_region(named.keys() | shifted, face.frame.size)
                # What an earlier face's edit reached into is cut out anew.
                crop = face.crop if rgb is self.image else None
                rgb = paste(rgb, face.frame, face.reconstruction, edited, region=region, crop=crop)
            with timer.stage("identity"):
                identity = self._identity(face, edited)
            faces.append(
                EditedFace(face.index, face.frame, face.reconstruction, edited, face.ws[0], ws_edited[0], identity)
            )
        return EditResult(rgb, faces, named, timer.seconds, warnings)

    def renders(
        self, text: str, strengths: Sequence[float], shifts: Mapping[str, float] | None = None
    ) -> list[np.ndarray]:
        """The first face at several strengths, uint8 [R, R, 3] each, not pasted back; arguments as in `apply`."""
        for strength in strengths:
            check_strength(strength)
        editor, face = self.editor, self.faces[0]
        intents, moves = self._wish(text, shifts)
        ws, aimed = face.ws, self._aim(face, intents)[0]
        return [editor.draw(ws + aimed.at(strength) + moves) for strength in strengths]

    def _aim(self, face: InvertedFace, intents: Tensor) -> tuple[EditOffset, np.ndarray | None]:
        """`FaceEditor.aim` for that face; the last answer is kept, so that a slider does not aim anew each time."""
        if not bool(intents.any()):
            nothing = torch.zeros_like(face.ws)
            return EditOffset(nothing, nothing, -1), face.reconstruction
        last = self._aimed.get(face.index)
        if last is None or not torch.equal(last[0], intents):
            last = self._aimed[face.index] = (intents, *self.editor.aim(face.ws, intents, face.reconstruction))
        return last[1:]

    def _wish(self, text: str, shifts: Mapping[str, float] | None) -> tuple[Tensor, Tensor]:
        """What is asked for: intents [1, A] read from the text, and the shifts as an offset [num_ws, w_dim] or 0."""
        editor, ws = self.editor, self.faces[0].ws
        if not shifts:
            check_text(text)
            return editor.read(text), torch.zeros_like(ws[0])
        weights = _named_weights(shifts, editor.mappers.attributes).to(ws.device)
        moves = editor.mappers.offset.along(weights)
        return (editor.read(text) if text.strip() else torch.zeros_like(weights)[None]), moves

    def _identity(self, face: InvertedFace, edited: np.ndarray) -> dict[str, float]:
        photo, before = face.persons
        after = self.editor.describe_identity([edited])[0]
        return {
            "photo_to_reconstruction": round(float((photo - before).norm()), 4),
            "reconstruction_to_edit": round(float((before - after).norm()), 4),
        }


def _named_weights(shifts: Mapping[str, float], attributes: Sequence[str]) -> Tensor:
    """Shifts by name -> [A]; InputError for a name the mappers do not know or a number out of range."""
    weights = torch.zeros(len(attributes))
    for name, value in shifts.items():
        if name not in attributes:
            raise InputError(f"There is no attribute {name!r}; there are {', '.join(attributes)}.")
        check_strength(value)
        weights[attributes.index(name)] = value
    return weights


def _shifted(progress: Progress | None, done: int, faces: int) -> Progress | None:
    """Progress over several faces as one count of steps."""
    if progress is None or faces == 1:
        return progress
    report = progress
    return lambda step, steps: report(done * steps + step, faces * steps)
