"""One lane of pass 2: faces that follow one another in time are encoded, filtered, drawn and pasted, streaming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.pasting import Blend, Render, in_tone, measure_blend, paste
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.regions import paste_region
from gan_mapping.images import to_uint8
from gan_mapping.video.lowpass import Sample, lowpass
from gan_mapping.video.pivots import Pivot
from gan_mapping.video.plan import Tracklet

Picture = NDArray[np.uint8]

# Blends are filtered on coarse grids: they are smooth, and one per frame of the filter's reach is held in memory.
_FIELD = 64
_ALPHA = 256


@dataclass(frozen=True, eq=False)
class FrameState:
    """A frame on its way: index in the clip, the source's pixels, and the result so far, both uint8 [H, W, 3]."""

    index: int
    source: Picture
    result: Picture


@dataclass(frozen=True, eq=False)
class FaceEdit:
    """What happens to the face of a run: its identity and the wish, offset [1, num_ws, w_dim], at full presence.

    attributes: what the wish names.
    """

    anchor: Pivot
    offset: Tensor
    attributes: frozenset[str]

    @property
    def changes(self) -> bool:
        """False when the edited face is the face itself."""
        return bool(self.offset.any())


@dataclass(frozen=True, eq=False)
class _Face:
    """A face in a frame: its run, its place, its aligned crop until it is drawn, then the renders [S, S, 3]."""

    moment: FrameState
    run: Tracklet
    frame: FaceFrame
    crop: Picture | None = None
    before: Render | None = None
    after: Render | None = None


_Stream = Iterator[Sample["FrameState | _Face"]]


class TrackPass:
    """Applies the edits of runs that do not overlap in time to a stream of frames.

    Holds as many frames as the two filters reach over, however long the clip. latent_sigma, blend_sigma: in
    frames. clip_size: (width, height).
    """

    def __init__(
        self,
        model: FaceModel,
        runs: Sequence[Tracklet],
        edits: Mapping[int, FaceEdit],
        clip_size: tuple[int, int],
        latent_sigma: float,
        blend_sigma: float,
    ) -> None:
        self._model = model
        self._runs = sorted(
            (run for run in runs if run.number in edits and edits[run.number].changes), key=lambda run: run.start
        )
        self._edits = edits
        self._clip_size = clip_size
        self._latent_sigma = latent_sigma
        self._blend_sigma = blend_sigma

    def apply(self, moments: Iterable[FrameState]) -> Iterator[FrameState]:
        """The same frames, in order, with this lane's faces edited."""
        latents = lowpass(self._encoded(moments), self._latent_sigma)
        blends = lowpass(self._drawn(latents), self._blend_sigma)
        for item, _, blend in blends:
            if isinstance(item, _Face):
                yield self._pasted(item, blend)
            else:
                yield item

    def _encoded(self, moments: Iterable[FrameState]) -> _Stream:
        """Every face with the vision mapper's answer [w_dim]."""
        waiting = iter(self._runs)
        run = next(waiting, None)
        for moment in moments:
            while run is not None and run.stop <= moment.index:
                run = next(waiting, None)
            if run is None or moment.index < run.start:
                yield Sample(moment, None, None)
                continue
            frame = run.frame(moment.index, self._clip_size)
            crop = frame.crop(moment.source)
            yield Sample(_Face(moment, run, frame, crop), run.number, self._model.encode([crop])[0, 0])

    def _drawn(self, samples: _Stream) -> _Stream:
        """Every face drawn with and without the edit, with its blend as one flat tensor."""
        for item, run, w in samples:
            if not isinstance(item, _Face) or item.crop is None or w is None:
                yield Sample(item, run, None)
                continue
            edit = self._edits[item.run.number]
            ws = edit.anchor.latent(w)
            before, after = self._render(torch.cat([ws, ws + item.run.weight(item.moment.index) * edit.offset]), item)
            before, after = in_tone(item.crop, before, after)
            blend = measure_blend(item.crop, before, after)
            yield Sample(replace(item, crop=None, before=before, after=after), run, _flat(blend))

    def _render(self, ws: Tensor, face: _Face) -> NDArray[np.uint8]:
        """ws [2, num_ws, w_dim] -> uint8 [2, S, S, 3] at the size of the face's crop."""
        images = self._model.generator.render(ws)
        size = face.frame.size
        return to_uint8(images if images.shape[-1] == size else F.interpolate(images, (size, size), mode="area"))

    def _pasted(self, face: _Face, flat: Tensor | None) -> FrameState:
        moment, size = face.moment, face.frame.size
        assert flat is not None and face.before is not None and face.after is not None
        region = paste_region(self._edits[face.run.number].attributes, size)
        result = paste(moment.result, face.frame, face.before, face.after, _blend(flat, size), region)
        return replace(moment, result=result)


def _flat(blend: Blend) -> Tensor:
    """A blend as one vector, its fields on coarse grids."""
    size = blend.alpha.shape[-1]
    field = F.interpolate(blend.field, (_FIELD, _FIELD), mode="area")
    alpha = F.interpolate(blend.alpha, (min(size, _ALPHA),) * 2, mode="area")
    return torch.cat([blend.gain.flatten(), field.flatten(), alpha.flatten()])


def _blend(flat: Tensor, size: int) -> Blend:
    """Back to fields of the crop's size."""
    grid = min(size, _ALPHA)
    gain, field, alpha = flat.split((3, 3 * _FIELD**2, grid**2))
    return Blend(
        gain.view(1, 3, 1, 1),
        F.interpolate(field.view(1, 3, _FIELD, _FIELD), (size, size), mode="bilinear"),
        F.interpolate(alpha.view(1, 1, grid, grid), (size, size), mode="bilinear"),
    )
