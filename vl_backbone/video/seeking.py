"""Frames on demand: single frames of a video by time, without decoding all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vl_backbone.common.errors import InputError
from vl_backbone.video.decoding import FrameConverter, open_video, probe, video_stream
from vl_backbone.video.info import VideoInfo

_AHEAD = 2.0  # seconds; a frame further on is reached by seeking, a nearer one by decoding on


def read_frames_at(
    path: str | os.PathLike[str], times: Sequence[float], info: VideoInfo | None = None
) -> NDArray[np.uint8]:
    """The frames shown at `times` (seconds, ascending): uint8 [len(times), H, W, 3] RGB, upright.

    A time before the first frame gives the first, one after the last gives the last. info: of the file when
    already known. InputError for a file that cannot be read.
    """
    path = Path(path)
    if list(times) != sorted(times):
        raise ValueError("times must ascend")
    info = info or probe(path)
    shown: list[NDArray[np.uint8]] = []
    with open_video(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        convert = FrameConverter(info)
        walk = _Walk(container, stream, convert, info)
        for time in times:
            frame = walk.to(Fraction(time))
            if frame is None:
                raise InputError(f"{path}: no frame at {time:.2f} s can be decoded; use another copy")
            shown.append(convert.rgb(frame))
    if not shown:
        return np.zeros((0, info.height, info.width, 3), dtype=np.uint8)
    return np.stack(shown)


class _Walk:
    """A position in a stream that only moves on: by decoding, or by seeking when the target is far."""

    def __init__(self, container: Any, stream: Any, convert: FrameConverter, info: VideoInfo) -> None:
        self._container, self._stream, self._convert, self._info = container, stream, convert, info
        self._frames = self._decode()
        self._shown: VideoFrame | None = None
        self._next: VideoFrame | None = next(self._frames, None)

    def to(self, time: Fraction) -> VideoFrame | None:
        """The frame shown at `time`."""
        if time - self._time(self._next) > _AHEAD:
            target = time + self._info.start
            self._container.seek(int(target / self._stream.time_base), stream=self._stream, backward=True)
            self._frames = self._decode()
            self._next = next(self._frames, self._next)
        while self._next is not None and (self._shown is None or self._time(self._next) <= time):
            self._shown, self._next = self._next, next(self._frames, None)
        return self._shown

    def _time(self, frame: VideoFrame | None) -> Fraction:
        pts = self._convert.pts(frame) if frame is not None else None
        return (pts or 0) * self._info.time_base if frame is not None else Fraction(10**9)

    def _decode(self) -> Iterator[VideoFrame]:
        """Damaged packets are left out: the frame before them is shown instead."""
        for packet in self._container.demux(self._stream):
            try:
                yield from packet.decode()
            except EOFError:
                return
            except FFmpegError:
                continue
