"""What is known about a video before its frames are read: size, timing, colours, orientation, audio."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

# FFmpeg's AVColorSpace -> swscale's matrix; those not listed (unspecified, RGB, ...) have no matrix of their own.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_SPACES = {matrix: space for space, matrix in _MATRICES.items() if space not in (5, 10)}
UNSPECIFIED = 2
_HD_HEIGHT = 720
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


class Orientation(NamedTuple):
    """How stored frames become upright: first swap rows and columns, then mirror."""

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_matrix(cls, data: bytes) -> Orientation:
        """From FFmpeg's display matrix: nine int32 a b u, c d v, x y w with (x', y') = (x, y) [[a, b], [c, d]].

        Only quarter turns and mirrors are kept; any other angle is taken as the nearest quarter turn.
        """
        a, b, _, c, d = np.frombuffer(data, dtype=np.int32)[:5].tolist()
        if abs(a) >= abs(b):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] as stored -> upright."""
        if self.transposed:
            rgb = rgb.swapaxes(0, 1)
        rgb = rgb[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.ascontiguousarray(rgb)


class Colours(NamedTuple):
    """The meaning of a video's numbers: `matrix` is av's Colorspace, the others FFmpeg's numbers."""

    matrix: int = Colorspace.ITU709
    full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @classmethod
    def of_frame(cls, frame: VideoFrame) -> Colours:
        """A frame without a named matrix is read as players do: BT.709 from 720 lines up, BT.601 below."""
        guess = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
        full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        return cls(_MATRICES.get(int(frame.colorspace), guess), full, int(frame.color_primaries), int(frame.color_trc))

    @property
    def space(self) -> int:
        """FFmpeg's AVColorSpace number of the matrix."""
        return _SPACES[Colorspace(self.matrix)]

    @property
    def hdr(self) -> str | None:
        """ "PQ" or "HLG" for a high-dynamic-range transfer curve, else None."""
        return _HDR_TRANSFERS.get(self.transfer)


_STORED_UPRIGHT = Orientation()
_USUAL_COLOURS = Colours()


@dataclass(frozen=True)
class VideoInfo:
    """One video stream, as `read_frames` gives it.

    width, height: of the upright frames with square pixels.
    rate: average frames per second. time_base: seconds per unit of `pts`; timestamps may be irregular.
    frames: number of frames as the file states it, else an estimate; 0 when unknown.
    duration: seconds, None when the file does not say.
    start: seconds on the file's own clock that are time 0 here (audio and video alike).
    audio: codec names of the audio streams. path: the file, None for a video that is made.
    warnings: sentences for the user.
    """

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    frames: int = 0
    duration: float | None = None
    start: Fraction = Fraction(0)
    orientation: Orientation = _STORED_UPRIGHT
    colours: Colours = _USUAL_COLOURS
    codec: str = ""
    pixel_format: str = "yuv420p"
    audio: tuple[str, ...] = ()
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def made(cls, width: int, height: int, rate: float | Fraction) -> VideoInfo:
        """For a video without a source: frame number n has pts n."""
        rate = Fraction(rate).limit_denominator(1_001_000)
        if width < 2 or height < 2 or rate <= 0:
            raise ValueError(f"a video needs at least 2x2 pixels and a positive rate, got {width}x{height} at {rate}")
        return cls(width, height, rate, 1 / rate)
