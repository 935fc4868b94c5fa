"""Frames of a video file by number, upright and in RGB, through PyAV; a bad file is an InputError, whatever ails it."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of
from vl_backbone.video.decoding import FrameConverter, open_video, probe, video_stream


@dataclass(frozen=True)
class FrameIndex:
    """When each frame of a file is shown: pts in units of time_base, rising; keys: pts of frames one can seek to.

    pts is empty of meaning beyond order when the file stores none (`counted`); such a file is read from its start.
    """

    path: Path
    pts: tuple[int, ...]
    keys: tuple[int, ...]
    time_base: Fraction
    counted: bool = False

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self, number: int) -> float:
        """When that frame is shown, in seconds after the first one."""
        return float((self.pts[number] - self.pts[0]) * self.time_base)

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last one, which is taken to last as long as the mean one."""
        last = self.seconds(len(self) - 1)
        return last * len(self) / (len(self) - 1) if len(self) > 1 else 0.0

    def timeline(self, fps: float | None = None, start: float = 0.0, end: float | None = None) -> list[int]:
        """Frame numbers of the part from `start` to `end` seconds, at `fps` frames a second or as they are stored.

        With fps, each tick shows the frame nearest in time, as re-encoding at that rate would: this evens out
        variable and odd frame rates. At least one frame. Raises InputError for a part outside the video.
        """
        stop = self.duration if end is None else min(end, max(self.duration, 0.0))
        if start < 0 or (start > 0 and start >= self.duration) or (end is not None and end <= start):
            raise InputError(f"{self.path}: the part {start}..{end} s does not lie in its {self.duration:.2f} s.")
        times = [self.seconds(number) for number in range(len(self))]
        if fps is None:
            inside = [n for n, time in enumerate(times) if start <= time and (end is None or time < stop)]
            return inside or [_nearest(times, start)]
        ticks = max(1, int((stop - start) * fps + 1e-6))
        return [_nearest(times, start + tick / fps) for tick in range(ticks)]


def index_frames(path: Path) -> FrameIndex:
    """Reads the packets of the first video stream, decoding nothing. InputError when there is no readable video."""
    with _opened(path) as (container, stream):
        packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
        pts = [packet.pts for packet in packets]
        keys = [packet.pts for packet in packets if packet.is_keyframe]
        time_base = Fraction(stream.time_base or 1)
    if not pts:
        raise InputError(f"{path}: there are no video frames in it; the file may be cut off.")
    if None in pts or len(set(pts)) != len(pts):
        return _counted(path)
    return FrameIndex(path, tuple(sorted(pts)), tuple(sorted(keys)), time_base)


def read_frames(index: FrameIndex, numbers: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (number, upright RGB uint8 [H, W, 3]) for each different number, in rising order.

    Seeks over parts that are not needed. A frame that the decoder withholds is replaced by the one before it.
    Raises InputError when the file cannot be decoded that far.
    """
    wanted = sorted(set(numbers))
    convert = FrameConverter(probe(index.path))
    with _opened(index.path) as (container, stream):
        frames = enumerate(container.decode(stream)) if index.counted else _seeking(container, stream, index, wanted)
        previous: av.VideoFrame | None = None
        current = next(frames, None)
        for number in wanted:
            target = index.pts[number]
            while current is not None and current[0] <= target:
                previous, current = current[1], next(frames, None)
            shown = previous if previous is not None else (current[1] if current else None)
            if shown is None:
                raise InputError(f"{index.path}: no frame of it can be decoded; the file is damaged.")
            yield number, convert.rgb(shown)


def _seeking(
    container: Any, stream: Any, index: FrameIndex, wanted: Sequence[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(pts, frame) in rising order, jumping to the key frame before the next wanted one when that skips something."""
    position = index.pts[0]
    frames = _timed(container, stream)
    for target in (index.pts[number] for number in wanted):
        if position >= target and position > index.pts[0]:
            continue
        before = bisect.bisect_right(index.keys, target) - 1
        if before >= 0 and index.keys[before] > position:
            container.seek(index.keys[before], stream=stream, backward=True)
            frames = _timed(container, stream)
            first = next(frames, None)
            if first is None or first[0] > target:
                # A container with a wrong seek table: from its start then.
                container.seek(index.pts[0], stream=stream, backward=True)
                frames = _timed(container, stream)
            else:
                frames = itertools.chain([first], frames)
        for position, frame in frames:
            yield position, frame
            if position >= target:
                break


def _timed(container: Any, stream: Any) -> Iterator[tuple[int, av.VideoFrame]]:
    return ((frame.pts, frame) for frame in container.decode(stream) if frame.pts is not None)


def _counted(path: Path) -> FrameIndex:
    """For files without usable time stamps: frames are numbered as they are decoded."""
    with _opened(path) as (container, stream):
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        total = sum(1 for _ in container.decode(stream))
    if not total:
        raise InputError(f"{path}: no frame of it can be decoded; the file is damaged.")
    return FrameIndex(path, tuple(range(total)), (0,), 1 / rate, counted=True)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its first video stream; every error of FFmpeg or the file system becomes an InputError."""
    with open_video(path) as container:
        stream = video_stream(container, path)
        try:
            yield container, stream
        except (av.error.FFmpegError, OSError, UnicodeError) as error:
            raise InputError(f"{path}: cannot be read as a video ({reason_of(error)}).") from None


def _nearest(times: Sequence[float], time: float) -> int:
    after = bisect.bisect_left(times, time)
    if after == 0:
        return 0
    if after == len(times) or time - times[after - 1] <= times[after] - time:
        return after - 1
    return after
