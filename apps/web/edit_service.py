"""What the page does, as plain functions of an editor: testable without a browser or gradio."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from apps.web.jobs import Job, Report
from apps.web.limits import Limits
from apps.web.pictures import file_digest, read_upload
from fdvd.faces.alignment import FaceFrame
from fdvd.media.photos import Photo
from gan_mapping.editing.requests import MAX_STRENGTH, check_strength, check_text, choose_faces
from gan_mapping.editing.session import EditSession
from vl_backbone.common.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from gan_mapping.editing.editor import FaceEditor
    from gan_mapping.editing.results import EditResult, GeneratedFace

STRIP = (0.0, 0.5, 1.0, 1.25, 1.5)
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class EditRequest:
    """One edit as the page asks for it.

    image: path of the upload. strength: of the sentence. face: "largest", "all" or an index. refine: None is
    the preset's default. pose (-1 to the viewer's left, 1 to the right), age, smile: sliders, 0 is no change;
    with one that is not 0 the text may be empty.
    """

    image: str | None
    text: str = ""
    strength: float = 1.0
    face: str = "largest"
    refine: float | None = None
    pose: float = 0.0
    age: float = 0.0
    smile: float = 0.0

    def shifts(self) -> dict[str, float]:
        """The sliders as moves along the mappers' directions."""
        # The two gaze attributes are opposite ends of one movement; half of each is the full one.
        named = {"look_right": self.pose / 2, "look_left": -self.pose / 2, "age": self.age, "smile": self.smile}
        return {name: float(value) for name, value in named.items()}

    def check(self, *, may_be_empty: bool = False) -> None:
        """InputError, with a sentence for the visitor, before anything slow happens.

        may_be_empty: a request for no change at all is fine, as when a slider comes back to its middle.
        """
        if not isinstance(self.text, str):
            raise InputError("The text must be words.")
        for name in ("strength", "pose", "age", "smile"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise InputError(f"{name.capitalize()} must be a number, got {value!r}.")
            if abs(value) > MAX_STRENGTH:
                raise InputError(f"{name.capitalize()} must be between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}.")
        check_strength(self.strength)
        if isinstance(self.face, bool) or not isinstance(self.face, (str, int)):
            raise InputError(f'Face must be "largest", "all" or a number, got {self.face!r}.')
        if self.image is None:
            raise InputError("Choose a photo first.")
        if not may_be_empty and not self.text.strip() and not any(self.shifts().values()):
            raise InputError('Say what to change, for instance "blond hair".')


@dataclass(eq=False)
class KnownPhoto:
    """A photo with the faces found in it and the inversions made of it, by (face, refinement steps)."""

    digest: str
    photo: Photo
    frames: list[tuple[int, FaceFrame]]
    detect_s: float
    sessions: OrderedDict[tuple[str, int], EditSession] = field(default_factory=OrderedDict)

    def megabytes(self) -> float:
        """Memory held, roughly: the photo twice (pixels and native), and three crops per inverted face."""
        crops = sum(3 * face.crop.nbytes for session in self.sessions.values() for face in session.faces)
        return (2 * self.photo.rgb.nbytes + crops) / 1e6


@dataclass(frozen=True, eq=False)
class Edit:
    """An answer. timings_s: seconds spent on this request by stage; what was known already is not in it."""

    request: EditRequest
    known: KnownPhoto
    steps: int
    result: EditResult
    timings_s: dict[str, float]

    @property
    def image(self) -> Image.Image:
        """The full-size photo in its own mode, with the edit in it."""
        return self.known.photo.with_edit(self.result.rgb)

    @property
    def warnings(self) -> list[str]:
        """Sentences for the visitor."""
        return [*self.known.photo.warnings, *self.result.warnings]


class EditService:
    """One editor for all visitors, one request at a time. Photos and inversions are kept, the latest ones.

    They are found again by the sha256 of the uploaded file, so nobody reaches a photo without having it.
    """

    _SESSIONS_PER_PHOTO = 4

    def __init__(self, editor: FaceEditor, limits: Limits | None = None) -> None:
        self.editor = editor
        self.limits = limits or Limits()
        self._photos: OrderedDict[str, KnownPhoto] = OrderedDict()
        self._lock = threading.RLock()

    def photo(self, image: str | None) -> KnownPhoto:
        """The photo at that path with its faces, largest first. InputError when it cannot be used or has none."""
        if image is None:
            raise InputError("Choose a photo first.")
        digest = file_digest(image, self.limits)
        with self._lock:
            known = self._photos.get(digest)
            if known is None:
                photo = read_upload(image, self.limits)
                start = time.perf_counter()
                try:
                    frames = self.editor.model.find_faces(photo.rgb, "all")
                except InputError as error:
                    raise InputError(_without_options(str(error))) from None
                known = KnownPhoto(digest, photo, frames[: self.limits.faces], time.perf_counter() - start)
                self._photos[digest] = known
            self._photos.move_to_end(digest)
            self._trim()
            return known

    def is_known(self, request: EditRequest, steps: int | None = None) -> bool:
        """Whether the face is inverted already with that many refinement steps, so that an edit is quick."""
        if request.image is None:
            return False
        with self._lock:
            known = self._photos.get(file_digest(request.image, self.limits))
            steps = self.steps(request.refine) if steps is None else steps
            return known is not None and (_chosen(known, request.face), steps) in known.sessions

    def best_steps(self, request: EditRequest) -> int:
        """The most refinement steps, up to the wanted ones, for which this face is inverted; 0 when it is not."""
        known, wanted = self.photo(request.image), self.steps(request.refine)
        face = _chosen(known, request.face)
        return max((steps for which, steps in known.sessions if which == face and steps <= wanted), default=0)

    def steps(self, refine: float | None) -> int:
        """The refinement steps that a request asks for, checked; None is the preset's default."""
        if refine is None:
            return self.editor.model.refine_steps
        return whole_number(refine, "Refinement steps", self.limits.refine)

    def alone(self) -> AbstractContextManager[bool]:
        """While the `with` block lasts, nobody else uses the editor."""
        return self._lock

    def edit(
        self, request: EditRequest, job: Job | None = None, report: Report | None = None, steps: int | None = None
    ) -> Edit:
        """Does one edit; `steps` overrides the request's. Raises InputError, or Cancelled when `job` was.

        A request for no change gives the photo back; whoever does not want that calls `request.check()` first.
        """
        request.check(may_be_empty=True)
        steps = self.steps(request.refine) if steps is None else steps
        watch = job.watching(report) if job else report
        with self._lock:
            if job:
                job.check()
            fresh = request.image is not None and file_digest(request.image, self.limits) not in self._photos
            known = self.photo(request.image)
            session, made = self._session(known, request.face, steps, watch)
            result = session.apply(request.text, float(request.strength), request.shifts())
        known_s = {} if made else session.timings_s
        spent = {stage: s - known_s.get(stage, 0.0) for stage, s in result.timings_s.items() if s != known_s.get(stage)}
        if fresh:
            spent["detect"] = known.detect_s
        return Edit(request, known, steps, result, spent)

    def strip(self, request: EditRequest, steps: int) -> list[tuple[float, np.ndarray]]:
        """The first chosen face at several strengths of the sentence, uint8 [R, R, 3] each."""
        request.check()
        with self._lock:
            session, _ = self._session(self.photo(request.image), request.face, steps, None)
            pictures = session.renders(request.text, STRIP, request.shifts())
        return list(zip(STRIP, pictures, strict=True))

    def generate(
        self, text: str, n: float, seed: float, job: Job | None = None, report: Report | None = None
    ) -> list[GeneratedFace]:
        """n faces that fit the sentence, from the seeds seed, seed + 1, ..."""
        if not isinstance(text, str) or not text.strip():
            raise InputError('Say who it should be, for instance "an old man with glasses".')
        check_text(text)
        count, first = whole_number(n, "The number of faces"), whole_number(seed, "The seed", MAX_SEED)
        if not 1 <= count <= self.limits.faces:
            raise InputError(f"The number of faces must be between 1 and {self.limits.faces}, got {count}.")
        watch = job.watching(report) if job else report
        faces: list[GeneratedFace] = []
        for i in range(count):
            if watch:
                watch(i, count)
            with self._lock:
                faces += self.editor.generate(text, 1, first + i)
        if report:
            report(count, count)
        return faces

    def understood(self, text: str) -> dict[str, float]:
        """What a sentence is taken to mean: attribute -> degree, nothing for what it does not speak of."""
        with self._lock:
            return self.editor.model.mappers.named(self.editor.model.read(text))

    def _session(self, known: KnownPhoto, face: str, steps: int, report: Report | None) -> tuple[EditSession, bool]:
        """The inversion of those faces, and whether it had to be made."""
        key = (_chosen(known, face), steps)
        session = known.sessions.get(key)
        made = session is None
        if session is None:
            frames = [known.frames[i] for i in choose_faces(face, len(known.frames))]
            session = EditSession(self.editor.model, known.photo.rgb, face, steps, frames=frames, progress=report)
            known.sessions[key] = session
        known.sessions.move_to_end(key)
        while len(known.sessions) > self._SESSIONS_PER_PHOTO:
            known.sessions.popitem(last=False)
        self._trim()
        return session, made

    def _trim(self) -> None:
        """Forgets the photos used longest ago until the rest fits; the latest one always stays."""
        while len(self._photos) > 1 and sum(p.megabytes() for p in self._photos.values()) > self.limits.cache_mb:
            self._photos.popitem(last=False)


def whole_number(value: float, what: str, most: int = 2**32) -> int:
    """A form's number as a whole one between 0 and `most`; InputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{what} must be a whole number between 0 and {most}, got {value!r}.")
    if not 0 <= value <= most or int(value) != value:
        raise InputError(f"{what} must be a whole number between 0 and {most}, got {value:g}.")
    return int(value)


def _chosen(known: KnownPhoto, face: str) -> str:
    """One name for the same choice: "largest" is face 0, and so is "all" of one face."""
    if face == "all" and len(known.frames) > 1:
        return "all"
    return str(choose_faces(face, len(known.frames))[0])


def _without_options(sentence: str) -> str:
    """The editor's sentences name options of the command line, which the page does not have."""
    return sentence.split(", or pass --")[0].rstrip(".") + "."
