"""Writing videos frame by frame: the file is complete or not there at all, and the source's audio comes along."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from fdvd.media.video.audio import AudioCopier
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of
from vl_backbone.video.info import VideoInfo

# suffix: (FFmpeg's format, video encoder, audio encoder for what the format does not take as it is)
CONTAINERS = {
    ".mp4": ("mp4", "libx264", "aac"),
    ".m4v": ("mp4", "libx264", "aac"),
    ".mov": ("mov", "libx264", "aac"),
    ".mkv": ("matroska", "libx264", "aac"),
    ".webm": ("webm", "libvpx-vp9", "libopus"),
}


class VideoWriter:
    """Encodes RGB frames with the timing and colours of `info` into `path`; a context manager.

    path: .mp4, .mov, .m4v, .mkv (H.264) or .webm (VP9). info: of the source, or VideoInfo.made(...).
    audio: copy the audio of info.path, packet by packet where the container takes its codec, else re-encoded.
    crf: constant quality, lower is better (18: hardly to be told from the source). preset: speed of x264.
    reproducible: the same frames give the same bytes on any machine; one thread, so slower.
    The file appears under its name only when the block ends without an error.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        *,
        size: tuple[int, int] | None = None,
        audio: bool = True,
        crf: int = 16,
        preset: str = "medium",
        reproducible: bool = False,
    ) -> None:
        """size: (width, height) of the frames to come; default: info's."""
        self.path = Path(path)
        self.info = info
        self.width, self.height = size or (info.width, info.height)
        self.frames = 0
        if self.path.suffix.lower() not in CONTAINERS:
            known = ", ".join(CONTAINERS)
            raise UsageError(f"{self.path}: a video cannot be written as {self.path.suffix!r}; use one of {known}")
        self._format, self._codec, audio_codec = CONTAINERS[self.path.suffix.lower()]
        self._last_pts = -1
        self._reformatter = VideoReformatter()
        self._audio: AudioCopier | None = None
        self._temporary = self._reserve()
        self._container: Any = None
        try:
            options = {"fflags": "+bitexact"}
            if self._format in ("mp4", "mov"):
                options["movflags"] = "+faststart"
            self._container = av.open(f"file:{self._temporary}", "w", format=self._format, options=options)
            self._stream = self._add_stream(crf, preset, reproducible)
            if audio and info.path is not None and info.audio:
                self._audio = AudioCopier(info.path, info.start, self._container, audio_codec)
        except FFmpegError as error:
            self.abort()
            raise self._unwritable(error) from None
        except BaseException:
            self.abort()
            raise

    @property
    def audio(self) -> str:
        """What became of the audio: "copied", "re-encoded" or "none"."""
        return self._audio.outcome if self._audio else "none"

    def write(self, rgb: NDArray[np.uint8], pts: int | None = None) -> None:
        """Adds one frame: uint8 [H, W, 3] RGB; pts in units of info.time_base, larger than the last one's.

        Without pts frames follow one another at info.rate.
        """
        if rgb.dtype != np.uint8 or rgb.shape != (self.height, self.width, 3):
            expected = [self.height, self.width, 3]
            raise ValueError(f"expected uint8 {expected}, got {rgb.dtype} {list(rgb.shape)}")
        if pts is None:
            pts = round(self.frames / self.info.rate / self.info.time_base)
        if pts <= self._last_pts:
            raise ValueError(f"timestamps must increase: {pts} after {self._last_pts}")
        colours = self.info.colours
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format=self._stream.codec_context.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=colours.matrix,
            dst_color_range=ColorRange.JPEG if colours.full_range else ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
            threads=1,
        )
        frame.pts, frame.time_base = pts, self.info.time_base
        try:
            if self._audio:
                self._audio.copy_until(Fraction(pts) * self.info.time_base)
            self._container.mux(self._stream.encode(frame))
        except FFmpegError as error:
            raise self._unwritable(error) from None
        self._last_pts = pts
        self.frames += 1

    def close(self) -> None:
        """Finishes the file and gives it its name; InputError when no frame was written."""
        if self._container is None:
            return
        try:
            if not self.frames:
                raise InputError(f"{self.path}: there is no frame to write")
            self._container.mux(self._stream.encode(None))
            if self._audio:
                self._audio.copy_until(None)
            self._container.close()
            self._container = None
            self._temporary.replace(self.path)
        except (OSError, FFmpegError) as error:
            raise self._unwritable(error) from None
        finally:
            self.abort()

    def abort(self) -> None:
        """Drops what was written so far."""
        if self._audio:
            self._audio.close()
        container, self._container = self._container, None
        # The unfinished file is deleted, whether it could be closed or not.
        with suppress(OSError, FFmpegError):
            if container is not None:
                container.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _reserve(self) -> Path:
        """An empty temporary file beside the result, with the permissions a new file would have."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name[:40]}.", suffix=".tmp")
        except OSError as error:
            raise self._unwritable(error) from None
        os.close(handle)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        return Path(name)

    def _add_stream(self, crf: int, preset: str, reproducible: bool) -> Any:
        options = {"crf": str(crf)}
        options |= {"preset": preset} if self._codec == "libx264" else {"b": "0", "row-mt": "1", "cpu-used": "4"}
        if reproducible and self._codec == "libx264":
            # Without it x264's faster routines choose now and then differently for the same frames.
            options["x264-params"] = "cpu-independent=1"
        stream = self._container.add_stream(
            self._codec,
            rate=self.info.rate.limit_denominator(1_001_000),
            options=options,
            width=self.width,
            height=self.height,
            time_base=self.info.time_base,
        )
        context = stream.codec_context
        # Half-size colour planes need even sides; only H.264's full-size colour takes an odd one.
        odd = (self.width % 2 or self.height % 2) and self._codec == "libx264"
        context.pix_fmt = "yuv444p" if odd else "yuv420p"
        context.thread_count = 1 if reproducible else 0
        colours = self.info.colours
        context.colorspace, context.color_range = colours.space, 2 if colours.full_range else 1
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        return stream

    def _unwritable(self, error: BaseException) -> InputError:
        reason = reason_of(error)
        return InputError(f"{self.path}: cannot be written ({reason}); choose another folder or format")
