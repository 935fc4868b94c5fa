"""From sightings to a plan: shots, faces followed through them, which of them to edit, steadied quads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fdvd.faces.alignment import CROP_SIZE
from fdvd.faces.smoothing import smooth_quads
from fdvd.faces.tracking import Track, link_faces
from gan_mapping.video.plan import ClipPlan, Floats, FrameDetections, Shot, Tracklet, crop_size, shots_of
from vl_backbone.common.errors import InputError


@dataclass(frozen=True)
class PlanConfig:
    """Times in seconds.

    axes_time, centre_time: sigmas of the smoothing of a quad's size and turn, and of its centre. The centre follows
        the face as it is found: what is pasted back must shake with a shaking camera.
    max_gap: a face lost for no longer is the same face, its place interpolated.
    shortest: a face in view for less, in a longer shot, is taken for a mistake of the detector.
    edge: a face first seen this soon after a cut, or last seen this shortly before, is there up to the cut.
    fade: over which the edit comes and goes with a face that does so in the middle of a shot.
    """

    axes_time: float = 0.16
    centre_time: float = 0.0
    max_gap: float = 0.5
    shortest: float = 0.3
    edge: float = 0.2
    fade: float = 0.25

    def __post_init__(self) -> None:
        values = (self.axes_time, self.centre_time, self.max_gap, self.shortest, self.edge, self.fade)
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError("times of a plan must be 0 or more seconds")


def make_plan(
    sightings: Sequence[FrameDetections],
    clip_size: tuple[int, int],
    rate: float,
    face: str | int = "largest",
    config: PlanConfig | None = None,
    resolution: int = CROP_SIZE,
) -> ClipPlan:
    """What to edit in a clip; see `ClipEditor.plan`. No smoothing reaches over a cut.

    rate: frames per second. resolution: of the generator, the largest crop that makes sense.

    Raises InputError for a clip without frames and for a face that cannot be.
    """
    config = config or PlanConfig()
    if not sightings:
        raise InputError("The clip has no frames; use another copy.")
    chosen = _check_face(face)
    shots = shots_of([sighting.starts_shot for sighting in sightings])
    runs: list[Tracklet] = []
    for index, shot in enumerate(shots):
        faces = [sighting.faces for sighting in sightings[shot.start : shot.stop]]
        tracks = link_faces(faces, max_gap=round(config.max_gap * rate))
        lasting = [track for track in tracks if _lasts(track, shot, rate, config)]
        for track in lasting if chosen is None else _ranked(lasting, chosen):
            runs.append(_run(track, len(runs), index, shot, rate, config, resolution))
    return ClipPlan(clip_size, len(sightings), shots, tuple(runs))


def _check_face(face: str | int) -> int | None:
    """ "largest" -> 0, a number -> itself, "all" -> None."""
    if face == "all":
        return None
    if face == "largest":
        return 0
    if isinstance(face, str) and not face.isdecimal():
        raise InputError(f'face must be "largest", "all" or a number, got {face!r}.')
    if int(face) < 0:
        raise InputError(f"face must be 0 (the largest) or more, got {face}.")
    return int(face)


def _span(track: Track) -> tuple[int, int]:
    """First frame in which the face was seen, and the one after the last."""
    seen = np.flatnonzero(track.found)
    return int(seen[0]), int(seen[-1]) + 1


def _lasts(track: Track, shot: Shot, rate: float, config: PlanConfig) -> bool:
    return int(track.found.sum()) >= min(config.shortest * rate, (shot.stop - shot.start) / 2)


def _ranked(tracks: Sequence[Track], rank: int) -> list[Track]:
    """The tracks that are, while they last, the one of that rank by prominence (0: the largest).

    A face lost for long and found again is two tracks; both are the largest if nothing larger is in view.
    """
    rest = list(tracks)
    taken: list[Track] = []
    for _ in range(rank + 1):
        taken = []
        for track in rest:
            start, stop = _span(track)
            if all(stop <= other_start or other_stop <= start for other_start, other_stop in map(_span, taken)):
                taken.append(track)
        rest = [track for track in rest if not any(track is other for other in taken)]
    return taken


def _run(
    track: Track, number: int, index: int, shot: Shot, rate: float, config: PlanConfig, resolution: int
) -> Tracklet:
    first, last = _span(track)
    length = shot.stop - shot.start
    edge = config.edge * rate
    first = 0 if first <= edge else first
    last = length if length - last <= edge else last
    quads = smooth_quads(track.quads()[first:last], config.axes_time * rate, config.centre_time * rate)
    scores = np.where(track.found, track.scores, 0.0)[first:last]
    presence = _presence(last - first, config.fade * rate, comes=first > 0, goes=last < length)
    return Tracklet(number, index, shot.start + first, quads, presence, scores, crop_size(quads, resolution))


def _presence(length: int, fade: float, *, comes: bool, goes: bool) -> Floats:
    """[length] in 0..1, ramps of `fade` frames at the ends that are not cuts."""
    place = np.arange(length) + 1.0
    presence = np.ones(length)
    if comes:
        presence = np.minimum(presence, place / (fade + 1))
    if goes:
        presence = np.minimum(presence, place[::-1] / (fade + 1))
    return presence
