"""Clips on the page: bounded in length, edited alone, told in the page's own words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.web.jobs import Job
from apps.web.pictures import check_file_size
from gan_mapping.editing.requests import check_strength
from vl_backbone.common.errors import InputError

if TYPE_CHECKING:
    from apps.clip.job import ClipResult
    from apps.web.edit_service import EditService

StageReport = Callable[[str, int, int], None]

STAGES = {"faces": "Finding faces", "identity": "Learning the faces", "frames": "Editing frames"}


@dataclass(frozen=True)
class ClipRequest:
    """One clip to edit; clip: path of the upload; preview: the first second only; the rest as in `EditRequest`."""

    clip: str | None
    text: str
    strength: float = 1.0
    face: str = "largest"
    refine: float | None = 0
    preview: bool = False

    def check(self) -> None:
        """InputError, with a sentence for the visitor, before anything slow happens."""
        if self.clip is None:
            raise InputError("Choose a clip first.")
        if not isinstance(self.text, str) or not self.text.strip():
            raise InputError('Say what to change, for instance "blond hair".')
        if isinstance(self.strength, bool) or not isinstance(self.strength, (int, float)):
            raise InputError(f"Strength must be a number, got {self.strength!r}.")
        check_strength(self.strength)
        if self.face not in ("largest", "all") and not str(self.face).isdecimal():
            raise InputError(f'Face must be "largest", "all" or a number, got {self.face!r}.')


def edit_clip(
    studio: EditService, request: ClipRequest, out: Path, job: Job | None = None, report: StageReport | None = None
) -> ClipResult:
    """Writes the edited clip to `out`. Raises InputError with a sentence, or Cancelled when `job` was."""
    from apps.clip.job import ClipSettings
    from apps.clip.job import edit_clip as edit_file

    request.check()
    assert request.clip is not None
    refine = studio.steps(request.refine)
    check_file_size(request.clip, studio.limits, "clip")
    settings = ClipSettings(request.text, float(request.strength), str(request.face), refine, bool(request.preview))

    def step(stage: str, done: int, total: int) -> None:
        if job:
            job.check()
        if report:
            report(stage, done, total)

    try:
        if not request.preview:
            _check_length(request.clip, studio.limits.clip_s)
        with studio.alone():
            return edit_file(studio.editor.model, Path(request.clip), out, settings, step)
    except InputError as error:
        raise InputError(str(error).replace(f"{request.clip}:", "The clip", 1)) from None


def _check_length(clip: str, seconds: int) -> None:
    """InputError for a clip longer than the page takes, or one that does not say how long it is."""
    from fdvd.media.video import probe

    info = probe(clip)
    length = info.duration if info.duration is not None else float(info.frames / info.rate)
    if length <= 0:
        raise InputError(f"{clip}: does not say how long it is; use the first second only, or another format.")
    if length > seconds:
        raise InputError(
            f"{clip}: lasts {length:.0f} s; this page takes up to {seconds} s, or the first second of any. "
            "The command `vilaface video` has no such limit."
        )
