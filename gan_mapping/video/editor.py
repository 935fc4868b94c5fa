"""ClipEditor: a clip + a sentence -> the edited clip, as streams of frames. Knows nothing of files.

Three passes over the same frames, each with constant memory: `find` (faces and cuts), `anchors` (who they are),
`render` (the edit). What flickers when every frame is edited on its own is fixed before anything is drawn: the
quads are steadied, a face has one latent per shot around which only the filtered residual moves, the text's
offset is one and the same for the shot, and light and extent of the paste are filtered over time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fdvd.faces.detection import DetectedFace
from fdvd.faces.detection.steady import SteadyFinder
from fdvd.faces.tracking import FaceFinder
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.refinement import Progress
from gan_mapping.editing.requests import check_strength
from gan_mapping.video.lowpass import radius_of
from gan_mapping.video.pivots import Pivot, make_anchor, sample_times
from gan_mapping.video.plan import ClipPlan, FrameDetections, Tracklet
from gan_mapping.video.planning import PlanConfig, make_plan
from gan_mapping.video.shots import CutConfig, shot_starts
from gan_mapping.video.track_pass import FaceEdit, FrameState, TrackPass
from vl_backbone.common.errors import InputError

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipConfig:
    """How steady the edit is. Times in seconds.

    latent_time: sigma of the filter on the latent's residual; longer is steadier, but lips lag.
    blend_time: sigma of the filter on the paste's light and extent.
    samples: frames of a run from which its identity is taken.
    """

    latent_time: float = 0.06
    blend_time: float = 0.12
    samples: int = 16
    cuts: CutConfig = field(default_factory=CutConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)

    def __post_init__(self) -> None:
        if min(self.latent_time, self.blend_time) < 0 or self.samples < 1:
            raise ValueError("times must be 0 or more and there must be at least one sample")


class ClipEditor:
    """Edits clips with a FaceModel.

    rate: frames per second of the clip, to turn seconds into frames. finder: what finds the faces of a frame;
    default: the model's detector with steadied landmarks.
    """

    def __init__(
        self, model: FaceModel, rate: float, config: ClipConfig | None = None, finder: FaceFinder | None = None
    ) -> None:
        if not 0 < rate < 1e4:
            raise ValueError(f"rate must be a positive number of frames per second, got {rate}")
        self.model = model
        self.rate = rate
        self.config = config or ClipConfig()
        self._finder = finder or SteadyFinder(model.detector)

    @property
    def lead_in(self) -> int:
        """Frames before a frame that `render` must have seen to draw it as in an unbroken run."""
        return sum(radius_of(time * self.rate) for time in (self.config.latent_time, self.config.blend_time))

    def find(
        self, frames: Iterable[Picture], known: Iterable[Sequence[DetectedFace]] = ()
    ) -> Iterator[FrameDetections]:
        """Pass 1: faces and cuts of every uint8 [H, W, 3] RGB frame, a few frames behind its input.

        known: the faces of the first frames, where an earlier run has found them already.
        """
        done = iter(known)
        waiting: deque[tuple[DetectedFace, ...]] = deque()

        def watched() -> Iterator[Picture]:
            for frame in frames:
                faces = next(done, None)
                waiting.append(tuple(self._finder.detect(frame) if faces is None else faces))
                yield frame

        for starts in shot_starts(watched(), self.config.cuts):
            yield FrameDetections(starts, waiting.popleft())

    def plan(
        self, sightings: Sequence[FrameDetections], clip_size: tuple[int, int], face: str | int = "largest"
    ) -> ClipPlan:
        """Shots and steadied faces. clip_size: (width, height). face: "largest", "all" or an index, in every shot.

        Raises InputError when the clip has no frame or no face.
        """
        plan = make_plan(sightings, clip_size, self.rate, face, self.config.plan, self.model.generator.resolution)
        if not plan.runs:
            raise InputError("No face was found in the clip; use one in which a face is clearly visible.")
        return plan

    def anchors(
        self, plan: ClipPlan, frames: Iterable[Picture], refine: int = 0, progress: Progress | None = None
    ) -> Iterator[tuple[Tracklet, Pivot]]:
        """Between the passes: every face's identity, as soon as its run has gone by.

        frames: the clip from its start. refine: optimisation steps for each; progress(step, steps) counts them.
        """
        wanted: dict[int, list[Tracklet]] = {}
        last: dict[int, int] = {}
        for run in plan.runs:
            times = [run.start + t for t in sample_times(run.scores, self.config.samples)]
            last[run.number] = times[-1]
            for time in times:
                wanted.setdefault(time, []).append(run)
        crops: dict[int, list[Picture]] = {}
        for index, rgb in enumerate(islice(frames, max(wanted, default=-1) + 1)):
            for run in wanted.get(index, ()):
                crops.setdefault(run.number, []).append(run.frame(index, plan.size).crop(rgb))
                if index == last[run.number]:
                    yield run, make_anchor(self.model, crops.pop(run.number), refine, progress)

    def edits(self, anchors: Mapping[int, Pivot], intents: Tensor, strength: float = 1.0) -> dict[int, FaceEdit]:
        """The wish, as `FaceModel.read` understood it, as one constant offset per run; anchors by run number."""
        check_strength(strength)
        named = frozenset(self.model.mappers.named(intents))
        moving = strength != 0 and bool(intents.any())
        edits = {}
        for number, anchor in anchors.items():
            offset = (
                self.model.edit_offset(anchor.ws, intents)[0].at(strength) if moving else torch.zeros_like(anchor.ws)
            )
            edits[number] = FaceEdit(anchor, offset, named)
        return edits

    def render(
        self, plan: ClipPlan, edits: Mapping[int, FaceEdit], frames: Iterable[Picture], start: int = 0
    ) -> Iterator[Picture]:
        """Pass 2: the edited frames. Frames without a face, and pixels no edit reaches, come back as they are.

        frames: the clip from frame max(0, start - lead_in) on; start: the first frame to give back. edits: by run
        number; runs without one are left alone.
        """
        first = max(0, start - self.lead_in)
        moments: Iterator[FrameState] = (FrameState(index, rgb, rgb) for index, rgb in enumerate(frames, start=first))
        for runs in plan.lanes():
            lane = TrackPass(
                self.model,
                runs,
                edits,
                plan.size,
                self.config.latent_time * self.rate,
                self.config.blend_time * self.rate,
            )
            moments = lane.apply(moments)
        for moment in moments:
            if moment.index >= start:
                yield moment.result
