"""One clip from file to file: finds faces, learns who they are, renders, joins; every finished part is kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from apps.clip.workspace import Workspace
from fdvd.faces.tracking import FaceFinder
from fdvd.media.video import ClipFrame, VideoInfo, VideoWriter, probe, read_frames
from fdvd.media.video.joining import join_pieces
from fdvd.media.video.writer import CONTAINERS
from gan_mapping.editing.requests import NO_INTENT_WARNING, check_strength, check_text
from gan_mapping.editing.results import StageTimer
from gan_mapping.video.editor import ClipConfig, ClipEditor
from gan_mapping.video.pivots import Pivot
from gan_mapping.video.plan import ClipPlan, FrameDetections
from gan_mapping.video.track_pass import FaceEdit
from vl_backbone.common.errors import InputError, UsageError

if TYPE_CHECKING:
    from gan_mapping.editing.face_model import FaceModel

FORMAT = 2  # of the work folder; raise it when what is in there changes its meaning
PIECE_FRAMES = 50  # finished work is kept every so many frames
PREVIEW_SECONDS = 1
_MISSING_END = 0.25  # seconds at the end of a clip that may be missing without a word

Report = Callable[[str, int, int], None]
"""Called as (stage, done, total); total is 0 when unknown. Stages: "faces", "identity", "frames"."""


@dataclass(frozen=True)
class ClipSettings:
    """What to do with a clip. refine: steps per face and shot, None for the preset's; face: see `ClipEditor.plan`.

    preview: only the first second. resume: take up what an earlier run of the same job left behind.
    """

    text: str
    strength: float = 1.0
    face: str = "largest"
    refine: int | None = None
    preview: bool = False
    resume: bool = True


@dataclass(frozen=True)
class ClipResult:
    """An edited clip. times: seconds of every frame; audio: "copied", "re-encoded" or "none"; intents: what the
    text was understood as; resumed: frames that an earlier run had finished; timings_s: by stage."""

    plan: ClipPlan
    times: list[float]
    audio: str
    intents: dict[str, float]
    resumed: int
    timings_s: dict[str, float]
    warnings: list[str] = field(default_factory=list)


def check_clip(source: Path, out: Path, settings: ClipSettings) -> VideoInfo:
    """What can be refused before anything is loaded. UsageError for --out, InputError for the rest."""
    if out.suffix.lower() not in CONTAINERS:
        raise UsageError(f"--out {out}: must end in one of {', '.join(CONTAINERS)}.")
    if out.is_dir():
        raise UsageError(f"--out {out}: is a folder; name a file in it.")
    check_text(settings.text)
    check_strength(settings.strength)
    info = probe(source)
    if out.exists() and out.samefile(source):
        raise InputError(f"{source}: would be overwritten by its own edit; choose another --out.")
    return info


def edit_clip(
    model: FaceModel,
    source: Path,
    out: Path,
    settings: ClipSettings,
    report: Report | None = None,
    finder: FaceFinder | None = None,
) -> ClipResult:
    """Edits the clip `source` into `out`; audio and timestamps are kept.

    Interrupted or killed, it leaves .OUT.work beside `out`, from which the same call goes on.
    finder: what finds faces, see `ClipEditor`. Raises InputError or UsageError with a sentence.
    """
    info = check_clip(source, out, settings)
    job = _Job(model, source, info, settings, report or (lambda stage, done, total: None), finder)
    work = Workspace.beside(out, job.key(), settings.resume)
    return job.run(work, out)


class _Job:
    def __init__(
        self,
        model: FaceModel,
        source: Path,
        info: VideoInfo,
        settings: ClipSettings,
        report: Report,
        finder: FaceFinder | None,
    ) -> None:
        self.model = model
        self.source = source
        self.info = info
        self.settings = settings
        self.report = report
        self.config = ClipConfig()
        self.clip_editor = ClipEditor(model, float(info.rate), self.config, finder)
        self.refine = model.refine_steps if settings.refine is None else settings.refine
        self.pts: list[int] = []
        self.timer = StageTimer()
        self.expected = round(info.rate * PREVIEW_SECONDS) if settings.preview else info.frames

    def key(self) -> str:
        """A hash of all that the result depends on."""
        with self.source.open("rb") as file:
            clip = hashlib.file_digest(file, "sha256").hexdigest()
        settings = {**asdict(self.settings), "resume": None, "refine": self.refine}
        parts = [
            FORMAT,
            PIECE_FRAMES,
            clip,
            settings,
            asdict(self.config),
            asdict(self.model.closed_loop),
            self.model.weights,
        ]
        parts.append(str(self.model.device))
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def run(self, work: Workspace, out: Path) -> ClipResult:
        start = time.perf_counter()
        with self.timer.stage("detect"):
            size = (self.info.width, self.info.height)
            try:
                sightings = self._find(work)
                plan = self.clip_editor.plan(sightings, size, self.settings.face)
            except InputError:
                work.remove()  # a damaged clip, or one without a face: another run would find no more
                raise
        with self.timer.stage("map_text"):
            intents = self.model.read(self.settings.text)
        edits: dict[int, FaceEdit] = {}
        if self.settings.strength != 0 and bool(intents.any()):
            with self.timer.stage("refine" if self.refine else "encode"):
                edits = self.clip_editor.edits(self._anchors(work, plan), intents, self.settings.strength)
        resumed = sum(len(piece.pts) for piece in work.pieces())
        with self.timer.stage("render"):
            self._render(work, plan, edits, resumed)
        with self.timer.stage("write"):
            end = Fraction(PREVIEW_SECONDS) if self.settings.preview else None
            audio = join_pieces(work.pieces(), out, self.info, audio_end=end)
        work.remove()
        self.timer.seconds["total"] = time.perf_counter() - start
        return ClipResult(
            plan,
            [float(pts * self.info.time_base) for pts in self.pts],
            audio,
            self.model.mappers.named(intents),
            resumed,
            self.timer.seconds,
            [*self.info.warnings, *self._early_end()] + ([] if bool(intents.any()) else [NO_INTENT_WARNING]),
        )

    def _frames(self) -> Iterator[ClipFrame]:
        frames = read_frames(self.source)
        return takewhile(lambda frame: frame.time < PREVIEW_SECONDS, frames) if self.settings.preview else frames

    def _early_end(self) -> list[str]:
        """A sentence where the clip states more than there is: its end was cut off, or was never written."""
        stated = self.info.duration
        end = float(self.pts[-1] * self.info.time_base + 1 / self.info.rate)
        if self.settings.preview or stated is None or stated - end < max(_MISSING_END, float(3 / self.info.rate)):
            return []
        return [f"the clip's pictures end at {end:.2f} s, although it states a length of {stated:.2f} s"]

    def _pictures(self, start: int = 0) -> Iterator[NDArray[np.uint8]]:
        return (frame.rgb for frame in islice(self._frames(), start, None))

    def _find(self, work: Workspace) -> list[FrameDetections]:
        """Pass 1, noting faces as they are found and every frame's pts."""

        def watched() -> Iterator[NDArray[np.uint8]]:
            for frame in self._frames():
                self.pts.append(frame.pts)
                yield frame.rgb

        known = work.faces()
        sightings: list[FrameDetections] = []
        noted = len(known)
        try:
            for sighting in self.clip_editor.find(watched(), known):
                sightings.append(sighting)
                self.report("faces", len(sightings), self.expected)
                if len(sightings) >= noted + PIECE_FRAMES:
                    work.add_faces(seen.faces for seen in sightings[noted:])
                    noted = len(sightings)
        finally:
            work.add_faces(seen.faces for seen in sightings[noted:])
        return sightings

    def _anchors(self, work: Workspace, plan: ClipPlan) -> dict[int, Pivot]:
        """Who the faces are: from the work folder, the others from the clip."""
        device = self.model.device
        known = {number: anchor.to(device) for number, anchor in work.anchors().items()}
        missing = replace(plan, runs=tuple(run for run in plan.runs if run.number not in known))
        steps = max(1, self.refine)
        total = len(missing.runs) * steps

        def refined(step: int, _: int) -> None:
            self.report("identity", done * steps + step, total)

        done = 0
        if missing.runs:
            for run, anchor in self.clip_editor.anchors(missing, self._pictures(), self.refine, refined):
                work.add_anchor(run.number, anchor)
                known[run.number] = anchor
                done += 1
                self.report("identity", done * steps, total)
        return known

    def _render(self, work: Workspace, plan: ClipPlan, edits: dict[int, FaceEdit], start: int) -> None:
        """Pass 2, piece by piece from frame `start` on."""
        lead = max(0, start - self.clip_editor.lead_in)
        edited = self.clip_editor.render(plan, edits, self._pictures(lead), start)
        for first in range(start, plan.frames, PIECE_FRAMES):
            pts = self.pts[first : first + PIECE_FRAMES]
            with VideoWriter(work.piece_path(first), self.info, audio=False) as writer:
                for place, rgb in enumerate(islice(edited, len(pts))):
                    writer.write(rgb, pts[place] - pts[0])
                    self.report("frames", first + place + 1, plan.frames)
            work.add_piece(first, pts)
