"""The source's audio beside new pictures: packets are copied untouched where the container takes the codec."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from vl_backbone.video.decoding import open_video

_OPUS_RATE = 48_000


class AudioCopier:
    """Feeds all audio streams of `source` into an open output container, in step with its pictures.

    start: seconds on the source's clock that are time 0 of the output.
    """

    def __init__(self, source: Path, start: Fraction, output: Any, encoder: str) -> None:
        self._opened = open_video(source)
        self._input: Any = self._opened.__enter__()
        self._start = start
        self._output = output
        self._targets: dict[int, Any] = {}
        self._encoded: set[int] = set()
        for stream in self._input.streams.audio:
            if stream.codec_context is None:
                continue
            try:
                self._targets[stream.index] = output.add_stream_from_template(stream, opaque=True)
            except ValueError:  # PyAV's answer to a codec that the container does not take
                self._add_encoder(stream, encoder)
        self._packets: Iterator[Any] = iter(())
        if self._targets:
            self._packets = self._input.demux([self._input.streams[index] for index in self._targets])
        self._waiting: Any = None
        self._ended = False

    @property
    def outcome(self) -> str:
        """One of "copied", "re-encoded", "none"."""
        if not self._targets:
            return "none"
        return "re-encoded" if self._encoded else "copied"

    def copy_until(self, time: Fraction | None) -> None:
        """Writes all audio that starts at or before `time` (seconds); None: all there is left."""
        while not self._ended:
            packet = self._waiting or self._next()
            self._waiting = None
            if packet is None:
                self._finish()
                return
            begin = packet.dts * packet.time_base - self._start
            if time is not None and begin > time:
                self._waiting = packet
                return
            self._write(packet)

    def close(self) -> None:
        """Closes the source."""
        self._opened.__exit__(None, None, None)

    def _add_encoder(self, stream: Any, encoder: str) -> None:
        rate = _OPUS_RATE if encoder == "libopus" else stream.codec_context.sample_rate
        self._targets[stream.index] = self._output.add_stream(encoder, rate=rate, layout=stream.codec_context.layout)
        self._encoded.add(stream.index)

    def _next(self) -> Any:
        """The next packet with a time, or None; damaged audio ends early rather than spoiling the pictures."""
        try:
            return next((packet for packet in self._packets if packet.dts is not None), None)
        except (EOFError, FFmpegError):
            return None

    def _write(self, packet: Any) -> None:
        index = packet.stream.index
        target = self._targets[index]
        if index in self._encoded:
            try:
                frames = packet.decode()
            except FFmpegError:
                return
            self._encode(frames, target)
            return
        offset = round(self._start / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - offset
        packet.dts -= offset
        packet.stream = target
        self._output.mux(packet)

    def _encode(self, frames: list[Any], target: Any) -> None:
        """The encoder's context brings the samples into its own format, rate and frame size."""
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self._start / frame.time_base)
            self._output.mux(target.encode(frame))

    def _finish(self) -> None:
        """Flushes decoders and encoders."""
        self._ended = True
        for index in sorted(self._encoded):
            target = self._targets[index]
            self._encode(self._input.streams[index].codec_context.decode(None), target)
            self._output.mux(target.encode(None))
