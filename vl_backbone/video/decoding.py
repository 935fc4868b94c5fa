"""Reading videos frame by frame; every failure is an InputError with one sentence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of
from vl_backbone.video.info import Colours, Orientation, VideoInfo

Picture = NDArray[np.uint8]

MAX_MEGAPIXELS = 36  # 8K is 33
# Playlists (HLS, concat, DASH) are left out on purpose: they would open other files and addresses.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,gif,h264,hevc,ivf,m4v,mxf,nut,"
    "yuv4mpegpipe,apng,dv,vob,wtv,rm"
)
_PICTURES = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
_OPEN_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_DEFAULT_RATE = Fraction(25)
_MISSING_END = 0.1  # part of the stated duration that may be missing before the file counts as cut off


class ClipFrame(NamedTuple):
    """One upright frame.

    rgb: uint8 [H, W, 3] RGB. pts: time in units of VideoInfo.time_base, strictly increasing. time: seconds.
    Time 0 is the start of the file, audio included.
    """

    rgb: Picture
    pts: int
    time: float


@contextmanager
def open_video(path: str | os.PathLike[str]) -> Iterator[InputContainer]:
    """The opened container of a local media file; InputError for anything else."""
    path = Path(path)
    _refuse_before_opening(path)
    try:
        # "file:" keeps names such as "concat:a|b" from being taken as an address.
        container = av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors="replace")
    except FFmpegError as error:
        if _is_picture(path):
            raise InputError(f"{path}: is a picture, not a video; `vilaface edit` takes pictures") from None
        raise InputError(f"{path}: is not a video that can be read ({reason_of(error)}); use another copy") from None
    with container:
        yield container


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """What the file says about itself; decodes one frame. Raises InputError for what is no sound video."""
    path = Path(path)
    with open_video(path) as container:
        stream = video_stream(container, path)
        frame = _first_frame(container, stream, path)
        return _describe(container, stream, frame, path)


def read_frames(path: str | os.PathLike[str], strict: bool = True, threads: int = 0) -> Iterator[ClipFrame]:
    """All frames of the first video stream, upright, square pixels, one in memory at a time.

    strict: a damaged or cut-off file is an InputError when the damage is reached; with False damaged frames
        are left out and a cut-off file just ends.
    threads: of the decoder; 0 lets FFmpeg choose.
    """
    path = Path(path)
    info = probe(path)
    with open_video(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO"
        convert = FrameConverter(info)
        last = -1
        for number, frame in enumerate(_decoded(container, stream, path, strict)):
            stated = convert.pts(frame)
            last = max(last + 1, convert.pts_of_number(number) if stated is None else stated)
            yield ClipFrame(convert.rgb(frame), last, float(last * info.time_base))
        _refuse_cut_off(stream, float((last + 1) * info.time_base), info, path, strict)


class FrameConverter:
    """Decoded frames of one video -> upright RGB and timestamps from 0."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self._stored = (info.height, info.width) if info.orientation.transposed else (info.width, info.height)
        self._offset = round(info.start / info.time_base)
        self._reformatter = VideoReformatter()

    def pts(self, frame: VideoFrame) -> int | None:
        """Units of the info's time base; None when the file does not say."""
        if frame.pts is None:
            return None
        base = frame.time_base or self._info.time_base
        return round(frame.pts * base / self._info.time_base) - self._offset

    def pts_of_number(self, number: int) -> int:
        """For files without timestamps: frames at the average rate."""
        return round(number / self._info.rate / self._info.time_base)

    def rgb(self, frame: VideoFrame) -> Picture:
        """uint8 [H, W, 3] upright."""
        colours = self._info.colours
        coded_rgb = frame.format.is_rgb or frame.format.has_palette
        picture = self._reformatter.reformat(
            frame,
            *self._stored,
            format="rgb24",
            src_colorspace=None if coded_rgb else colours.matrix,
            src_color_range=ColorRange.JPEG if colours.full_range or coded_rgb else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
            threads=1,
        )
        return self._info.orientation.apply(np.asarray(picture.to_ndarray(), dtype=np.uint8))


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first moving picture of the file (a song's cover is none); InputError when there is none."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        context = stream.codec_context
        if context is None:
            raise InputError(f"{path}: its video codec is not known to this FFmpeg; convert it to MP4 (H.264)")
        if context.width * context.height > MAX_MEGAPIXELS * 1_000_000:
            raise InputError(
                f"{path}: has frames of {context.width}x{context.height} pixels, over the limit of "
                f"{MAX_MEGAPIXELS} megapixels; make it smaller first"
            )
        return stream
    raise InputError(f"{path}: holds no video; give a file with moving pictures")


def _refuse_before_opening(path: Path) -> None:
    """Raises for what is not a readable, non-empty file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the name") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason_of(error)}); check its name and permissions") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise InputError(f"{path}: is {kind}; give a video file")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); use another copy")


def _is_picture(path: Path) -> bool:
    """Whether a file that is no video is one of the usual kinds of photo."""
    try:
        with Image.open(path) as picture:
            return picture.format in _PICTURES
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    for frame in _decoded(container, stream, path, strict=False):
        return frame
    raise InputError(f"{path}: its video stream holds no frame that can be decoded; use another copy")


def _decoded(container: InputContainer, stream: VideoStream, path: Path, strict: bool) -> Iterator[VideoFrame]:
    """Decoded frames; a damaged packet raises (strict) or is left out.

    So is a last packet that is not all there, as in a file whose end is missing: whether a decoder takes offence at it
    depends on its threads. That too much is missing is told by the clip's length.
    """
    packets = container.demux(stream)
    partial: InputError | None = None
    while True:
        try:
            packet = next(packets)
        except (StopIteration, EOFError):
            return
        except FFmpegError as error:
            if strict:
                raise _damaged(path, None, error) from None
            return
        if partial is not None and packet.size:
            raise partial
        if packet.is_corrupt and strict:
            partial = _damaged(path, packet, None)
            continue
        try:
            frames = packet.decode()
        except EOFError:
            return
        except FFmpegError as error:
            if strict:
                raise _damaged(path, packet, error) from None
            continue
        for frame in frames:
            if frame.is_corrupt and strict:
                raise _damaged(path, packet, None)
            yield frame


def _damaged(path: Path, packet: av.Packet[VideoStream] | None, error: BaseException | None) -> InputError:
    where = ""
    if packet is not None and packet.pts is not None and packet.time_base is not None:
        where = f" at {float(packet.pts * packet.time_base):.2f} s"
    why = f" ({reason_of(error)})" if error else ""
    return InputError(f"{path}: the video is damaged{where}{why}; use another copy")


def _refuse_cut_off(stream: VideoStream, end: float, info: VideoInfo, path: Path, strict: bool) -> None:
    """Raises when much less came out than the stream's own header states."""
    if not strict or stream.duration is None or stream.time_base is None:
        return
    stated = float(stream.duration * stream.time_base)
    if stated - end > max(1.0, _MISSING_END * stated) + 2 / float(info.rate):
        raise InputError(f"{path}: the video is cut off: {end:.2f} s of {stated:.2f} s are there; use another copy")


def _describe(container: InputContainer, stream: VideoStream, frame: VideoFrame, path: Path) -> VideoInfo:
    orientation = Orientation()
    side_data: Any = frame.side_data  # PyAV's stubs call it a plain dict; it is keyed by its own enum's names
    with suppress(KeyError):
        orientation = Orientation.from_matrix(bytes(side_data["DISPLAYMATRIX"]))
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if aspect != 1 and Fraction(1, 4) <= aspect <= 4:
        width = max(2, round(width * aspect))
    if orientation.transposed:
        width, height = height, width
    rate = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
    duration = _duration(container, stream)
    frames = stream.frames or (round(duration * rate) if duration else 0)
    start = Fraction(container.start_time or 0, av.time_base)
    colours = Colours.of_frame(frame)
    notes = []
    if colours.hdr:
        notes.append(f"{path.name} is a high-dynamic-range video ({colours.hdr}); it is worked on with 8 bits a colour")
    if frame.interlaced_frame:
        notes.append(f"{path.name} is interlaced; its frames are taken as they are")
    if container.streams.subtitles:
        notes.append(f"{path.name} has subtitles; they are not carried over")
    return VideoInfo(
        width=width,
        height=height,
        rate=Fraction(rate),
        time_base=Fraction(stream.time_base or 1 / rate),
        frames=frames,
        duration=duration,
        start=start,
        orientation=orientation,
        colours=colours,
        codec=stream.codec_context.name,
        pixel_format=frame.format.name,
        audio=tuple(s.codec_context.name if s.codec_context else "unknown" for s in container.streams.audio),
        path=path,
        warnings=tuple(notes),
    )


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None
