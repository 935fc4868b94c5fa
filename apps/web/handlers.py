"""What the web page does, as plain functions of an editor: testable without a browser or gradio."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from apps.cli.common import understood
from fdvd.images import Photo, load_photo, save_png
from gan_mapping.requests import check_strength, check_text
from gan_mapping.session import EditSession
from vl_backbone.errors import InputError, VilaFaceError

if TYPE_CHECKING:
    from gan_mapping.editing import FaceEditor
    from gan_mapping.results import EditResult

Progress = Callable[[int, int], None]

PREVIEW_SIDE = 1600
MAX_FACES = 16
CACHED_SESSIONS = 4
SAME_PERSON = 0.6


@dataclass(frozen=True)
class EditAnswer:
    """What the page shows of an edit.

    before, after: uint8 RGB previews of one size; closeup: the first face in both, uint8 [R, R, 3];
    file: the full-size PNG; summary: Markdown.
    """

    before: np.ndarray
    after: np.ndarray
    closeup: tuple[np.ndarray, np.ndarray]
    file: Path
    summary: str


class Handlers:
    """The page's functions. Keeps the last inverted photos: a new strength or sentence is quick."""

    def __init__(self, editor: FaceEditor, folder: Path | None = None) -> None:
        """folder: where result files go; by default a new temporary one under gradio's."""
        self.editor = editor
        self._folder = folder
        self._sessions: OrderedDict[tuple[str, int, str], EditSession] = OrderedDict()
        self._lock = threading.Lock()

    def edit(
        self,
        image: str | None,
        text: str,
        strength: float,
        refine: float | None,
        face: str,
        progress: Progress | None = None,
    ) -> EditAnswer:
        """Edits the photo at the path `image`; see FaceEditor.edit. Raises VilaFaceError with a sentence."""
        photo, key = self._prepare(image, text, strength, refine, face)
        assert image is not None
        start = time.perf_counter()
        with self._lock:
            session = self._sessions.get(key)
            quick = session is not None
            if session is None:
                session = EditSession(self.editor, photo.rgb, face, key[1], progress=progress)
            self._remember(key, session)
            result = session.apply(text, strength)
        seconds = time.perf_counter() - start
        edited = photo.with_edit(result.rgb)
        file = self._result_folder() / f"{_stem(image)}.edited.png"
        save_png(edited, file)
        after = Photo.from_image(edited).rgb if edited.mode != "RGB" else result.rgb
        summary = _summary(result, [*photo.warnings, *result.warnings], seconds, quick)
        crop = result.faces[0].frame.crop
        closeup = (crop(photo.rgb), crop(after))
        return EditAnswer(preview(photo.rgb), preview(after), closeup, file, summary)

    def is_quick(self, image: str | None, refine: float | None, face: str) -> bool:
        """Whether this photo is inverted already, so that an edit takes about a second."""
        try:
            return image is not None and self._key(load_photo(image), refine, face) in self._sessions
        except VilaFaceError:
            return False

    def count_faces(self, image: str | None) -> int:
        """How many faces the photo has; raises the sentence for a photo that cannot be used."""
        if image is None:
            return 0
        return min(len(self.editor.find_faces(_load(image).rgb, "all")), MAX_FACES)

    def generate(self, text: str, n: float, seed: float, progress: Progress | None = None) -> list[tuple[Path, str]]:
        """Files of n faces that fit the text, each with a caption."""
        check_text(text)
        count, first = _whole(n, "The number of faces"), _whole(seed, "The seed")
        if not 1 <= count <= MAX_FACES:
            raise InputError(f"The number of faces must be between 1 and {MAX_FACES}, got {count}.")
        folder = self._result_folder()
        files = []
        for i in range(count):
            with self._lock:
                face = self.editor.generate(text, 1, first + i)[0]
            path = folder / f"generated-{face.seed}.png"
            save_png(Image.fromarray(face.image), path)
            files.append((path, f"seed {face.seed}"))
            if progress:
                progress(i + 1, count)
        return files

    def _prepare(
        self, image: str | None, text: str, strength: float, refine: float | None, face: str
    ) -> tuple[Photo, tuple[str, int, str]]:
        """Checks everything before the slow part."""
        if image is None:
            raise InputError("Choose a photo first.")
        if not isinstance(text, str) or not text.strip():
            raise InputError('Say what to change, for instance "blond hair".')
        check_text(text)
        check_strength(strength)
        photo = _load(image)
        return photo, self._key(photo, refine, face)

    def _key(self, photo: Photo, refine: float | None, face: str) -> tuple[str, int, str]:
        steps = self.editor.refine_steps if refine is None else _whole(refine, "Refinement steps")
        digest = hashlib.sha256(repr(photo.rgb.shape).encode() + photo.rgb.tobytes()).hexdigest()
        return digest, steps, str(face)

    def _remember(self, key: tuple[str, int, str], session: EditSession) -> None:
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        while len(self._sessions) > CACHED_SESSIONS:
            self._sessions.popitem(last=False)

    def _result_folder(self) -> Path:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="vilaface-result-", dir=self._folder))


def preview(rgb: np.ndarray) -> np.ndarray:
    """The picture at a size a browser shows well; small pictures stay exactly as they are."""
    height, width = rgb.shape[:2]
    if max(height, width) <= PREVIEW_SIDE:
        return rgb
    small = Image.fromarray(rgb)
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small)


def _load(image: str) -> Photo:
    """Reads an upload; its temporary path is no news to the user, so sentences speak of "the photo"."""
    try:
        return load_photo(image)
    except InputError as error:
        raise InputError(str(error).replace(f"{image}:", "The photo", 1)) from None


def _stem(image: str) -> str:
    return Path(image).stem[:80] or "photo"


def _whole(value: float, what: str) -> int:
    """A slider's number as a whole one of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value < 0:
        raise InputError(f"{what} must be a whole number of 0 or more, got {value!r}.")
    if value > 2**32 or int(value) != value:
        raise InputError(f"{what} must be a whole number of 0 or more, got {value!r}.")
    return int(value)


def _summary(result: EditResult, warnings: list[str], seconds: float, quick: bool) -> str:
    """Markdown: what was understood, warnings, how alike, how long."""
    lines = [f"**Understood:** {understood(result.intents)}"]
    lines += [f"**Note:** {_plain(warning)}" for warning in warnings]
    for face in result.faces:
        distance = face.identity["photo_to_reconstruction"]
        moved = face.identity["reconstruction_to_edit"]
        name = f"Face {face.index}" if len(result.faces) > 1 else "Identity"
        lines.append(
            f"**{name}:** distance {distance:.2f} from photo to reconstruction, {moved:.2f} from there to the "
            f"edit; a face network takes pictures below about {SAME_PERSON} for one person"
        )
    times = result.timings_s
    if quick:
        took = f"{seconds:.1f} s, with the face already known"
    else:
        parts = [
            ("finding the face", "detect"),
            ("refining", "refine"),
            ("drawing", "render"),
            ("pasting", "paste"),
        ]
        told = ", ".join(f"{word} {times.get(key, 0.0):.1f}" for word, key in parts)
        took = f"{seconds:.1f} s ({told})"
    lines.append(f"**Time:** {took}")
    return "\n\n".join(lines)


def _plain(text: str) -> str:
    """Text from outside, shown as it is rather than as Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~$" else c for c in text)
