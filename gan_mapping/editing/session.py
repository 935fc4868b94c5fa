"""One photo, many edits: the face is found and inverted once; a sentence is tried out once, strengths are quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.pasting import paste
from gan_mapping.editing.closed_loop import EditOffset
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.refinement import Progress
from gan_mapping.editing.regions import paste_region
from gan_mapping.editing.requests import NO_INTENT_WARNING, check_strength, check_text
from gan_mapping.editing.results import EditedFace, EditResult, InvertedFace, StageTimer
from vl_backbone.common.errors import InputError


@dataclass(frozen=True)
class _Edit:
    """What intents [1, A] do to a face: the offset at strength 1 and, if it was drawn, uint8 [R, R, 3] with it."""

    intents: Tensor
    offset: EditOffset
    picture: np.ndarray | None


class EditSession:
    """The chosen faces of one photo, inverted; `apply` edits them by a sentence.

    Nothing is computed twice: the last sentence and what it does to each face are kept, so another strength of it
    costs a drawing and the identity of that drawing.

    faces: what was inverted; timings_s: seconds spent on it, by stage.
    """

    def __init__(
        self,
        model: FaceModel,
        image: np.ndarray,
        face: str | int = "largest",
        refine: int | None = None,
        *,
        aligned: bool = False,
        frames: Sequence[tuple[int, FaceFrame]] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Finds and inverts the faces; arguments as in `FaceEditor.edit`. Raises InputError.

        frames: what `model.find_faces` gave, when that ran before (then `face` and `aligned` are not read).
        """
        steps = model.refine_steps if refine is None else refine
        if steps < 0:
            raise InputError(f"refine must be 0 or more steps, got {steps}.")
        self.model = model
        self.image = image
        timer = StageTimer()
        if frames is None:
            with timer.stage("detect"):
                frames = model.find_faces(image, face, aligned)
        self.faces: list[InvertedFace] = []
        for done, (index, frame) in enumerate(frames):
            report = _shifted(progress, done, len(frames))
            self.faces.append(_inverted(model, image, index, frame, steps, timer, report))
        self.timings_s = timer.seconds
        self._last_read: tuple[str, Tensor] | None = None
        self._last_edits: dict[int, _Edit] = {}

    def apply(self, text: str, strength: float = 1.0, shifts: Mapping[str, float] | None = None) -> EditResult:
        """The photo with every face edited; timings hold the inversion's too. Raises InputError.

        shifts: attribute -> how far to move along its direction on top of the sentence (1 is from "no" to
        "yes" on average); where they are given, even all 0, the text may be empty.
        """
        check_strength(strength)
        model = self.model
        timer = StageTimer(dict(self.timings_s))
        with timer.stage("map_text"):
            intents, moves = self._wish(text, shifts)
        warnings = [NO_INTENT_WARNING] if text.strip() and not bool(intents.any()) else []
        shifted = {name for name, value in (shifts or {}).items() if value}
        named = model.mappers.named(intents)
        rgb = self.image
        faces = []
        for face in self.faces:
            with timer.stage("aim"):
                edit = self._edit(face, intents * float(strength != 0))
            offset, edited = edit.offset.at(strength) + moves, edit.picture
            ws_edited = face.ws + offset
            if edited is None or bool((offset != edit.offset.offset).any()):
                with timer.stage("render"):
                    edited = model.draw(ws_edited)
            with timer.stage("paste"):
                region = paste_region(named.keys() | shifted, face.frame.size)
                # What an earlier face's edit reached into is cut out anew.
                crop = face.crop if rgb is self.image else None
                rgb = paste(rgb, face.frame, face.reconstruction, edited, region=region, crop=crop)
            with timer.stage("identity"):
                identity = self._identity(face, edited)
            faces.append(EditedFace(face, edited, ws_edited[0], identity))
        return EditResult(rgb, faces, named, timer.seconds, warnings)

    def renders(
        self, text: str, strengths: Sequence[float], shifts: Mapping[str, float] | None = None
    ) -> list[np.ndarray]:
        """The first face at several strengths, uint8 [R, R, 3] each, not pasted back; arguments as in `apply`."""
        for strength in strengths:
            check_strength(strength)
        face = self.faces[0]
        intents, moves = self._wish(text, shifts)
        offset = self._edit(face, intents).offset
        return [self.model.draw(face.ws + offset.at(strength) + moves) for strength in strengths]

    def _edit(self, face: InvertedFace, intents: Tensor) -> _Edit:
        """What the intents do to that face; the last answer is kept, so that a slider does not try it out again."""
        if not bool(intents.any()):
            return _Edit(intents, EditOffset.unobserved(torch.zeros_like(face.ws)), face.reconstruction)
        last = self._last_edits.get(face.index)
        if last is None or not torch.equal(last.intents, intents):
            offset, picture = self.model.edit_offset(face.ws, intents, face.observation)
            last = self._last_edits[face.index] = _Edit(intents, offset, picture)
        return last

    def _wish(self, text: str, shifts: Mapping[str, float] | None) -> tuple[Tensor, Tensor]:
        """What is asked for: intents [1, A] read from the text, and the shifts as an offset [num_ws, w_dim] or 0."""
        mappers, ws = self.model.mappers, self.faces[0].ws
        if not shifts:
            check_text(text)
            return self._read(text), torch.zeros_like(ws[0])
        weights = _named_weights(shifts, mappers.attributes).to(ws.device)
        moves = mappers.offset.along(weights)
        return (self._read(text) if text.strip() else torch.zeros_like(weights)[None]), moves

    def _read(self, text: str) -> Tensor:
        """`FaceModel.read`; the last sentence is kept."""
        if self._last_read is None or self._last_read[0] != text:
            self._last_read = text, self.model.read(text)
        return self._last_read[1]

    def _identity(self, face: InvertedFace, edited: np.ndarray) -> dict[str, float]:
        photo, before = face.identity_embeddings
        after = before if edited is face.reconstruction else self.model.describe_identity([edited])[0]
        return {
            "photo_to_reconstruction": round(float((photo - before).norm()), 4),
            "reconstruction_to_edit": round(float((before - after).norm()), 4),
        }


def _inverted(
    model: FaceModel,
    image: np.ndarray,
    index: int,
    frame: FaceFrame,
    steps: int,
    timer: StageTimer,
    progress: Progress | None,
) -> InvertedFace:
    """One face of a photo, from its pixels to its latent and what that shows."""
    with timer.stage("align"):
        crop = frame.crop(image)
    with timer.stage("encode"):
        seen = model.recognise(crop)
    ws = model.invert(crop, steps, timer, progress, seen)
    with timer.stage("render"):
        reconstruction = model.draw(ws)
    with timer.stage("encode"):
        observation = model.observe(reconstruction, ws) if model.can_observe else None
    with timer.stage("identity"):
        # The inversion may have asked for the photo's embedding already.
        known = seen.identity_embedding
        photo = known if known.shape[1] else model.describe_identity([crop])
        embeddings = torch.cat([photo, model.describe_identity([reconstruction])])
    return InvertedFace(index, frame, crop, ws, reconstruction, embeddings, observation)


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
