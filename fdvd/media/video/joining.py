"""Videos that were written piece by piece become one file, without encoding anything again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.error import FFmpegError

from fdvd.media.video.audio import AudioCopier
from fdvd.media.video.writer import CONTAINERS
from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of
from vl_backbone.video.decoding import open_video
from vl_backbone.video.info import VideoInfo


class Piece(NamedTuple):
    """A stretch of the video: a file by VideoWriter, and the pts of its frames on the whole video's clock."""

    path: Path
    pts: Sequence[int]


def join_pieces(
    pieces: Sequence[Piece],
    path: str | os.PathLike[str],
    info: VideoInfo,
    *,
    audio: bool = True,
    audio_end: Fraction | None = None,
) -> str:
    """Writes the pieces, one after the other, into `path`; the file is complete or not there at all.

    pieces: in order, all written with the same settings and suffix as `path`'s. info: of the source, whose time
    base the pts are in. audio: copy the audio of info.path, packet by packet where the container takes its codec,
    up to audio_end seconds (None: all of it).
    Returns what became of the audio: "copied", "re-encoded" or "none". InputError when a piece does not hold the
    frames it should, or the file cannot be written.
    """
    path = Path(path)
    if not pieces:
        raise InputError(f"{path}: there is no frame to write")
    kind, _, audio_codec = CONTAINERS[path.suffix.lower()]
    with _appearing(path) as temporary:
        options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if kind in ("mp4", "mov") else {})
        try:
            with av.open(f"file:{temporary}", "w", format=kind, options=options) as output:
                with open_video(pieces[0].path) as first:
                    target = output.add_stream_from_template(first.streams.video[0], opaque=True)
                target.time_base = info.time_base
                sound = None
                if audio and info.path is not None and info.audio:
                    sound = AudioCopier(info.path, info.start, output, audio_codec)
                try:
                    for packet in _timed(pieces, info):
                        if sound is not None:
                            sound.copy_until(Fraction(packet.dts) * info.time_base)
                        packet.stream = target
                        output.mux(packet)
                    if sound is not None:
                        sound.copy_until(audio_end)
                finally:
                    if sound is not None:
                        sound.close()
        except FFmpegError as error:
            reason = reason_of(error)
            raise InputError(f"{path}: cannot be written ({reason}); choose another folder or format") from None
        return sound.outcome if sound is not None else "none"


def _timed(pieces: Sequence[Piece], info: VideoInfo) -> Iterator[Any]:
    """All packets in decoding order with pts and dts in units of info.time_base.

    Decoding times are those of one unbroken stream: the k-th packet is decoded when the (k - delay)-th frame is
    shown, with the delay that the deepest reordering in any piece needs. The first packets are decoded as much
    earlier as the last frames follow one another, for some containers state the span of decoding as the length.
    """
    orders = [_shown_order(piece) for piece in pieces]
    delay = max(place - rank for order in orders for place, rank in enumerate(order))
    shown = [pts for piece in pieces for pts in piece.pts]
    lengths = [after - before for before, after in pairwise(shown)] + [_last_length(shown[-1], info)]
    early = [shown[0] - (shown[-1] - shown[-1 - k]) for k in range(delay, 0, -1)]
    decoded = iter([*early, *shown])
    done = 0
    for piece, order in zip(pieces, orders, strict=True):
        for packet, rank in zip(_packets(piece.path), order, strict=True):
            packet.pts, packet.dts = piece.pts[rank], next(decoded)
            packet.time_base = info.time_base
            packet.duration = lengths[done + rank]
            if packet.dts == shown[len(shown) - 1 - delay]:
                packet.duration = lengths[-1]
            yield packet
        done += len(order)


def _last_length(last: int, info: VideoInfo) -> int:
    """How long the frame at pts `last` is shown, in units of info.time_base: to the source's end if it goes on for
    some frames at most, else for one frame's time."""
    step = max(1, round(1 / info.rate / info.time_base))
    if info.duration is None:
        return step
    rest = round(Fraction(info.duration) / info.time_base) - last
    return rest if 0 < rest <= 3 * step else step


def _shown_order(piece: Piece) -> list[int]:
    """For every packet in decoding order its frame's place in showing order."""
    stated = [packet.pts for packet in _packets(piece.path)]
    if len(stated) != len(piece.pts) or len(set(stated)) != len(stated):
        raise InputError(f"{piece.path}: holds {len(stated)} frames where {len(piece.pts)} are expected; delete it")
    ranks = {pts: rank for rank, pts in enumerate(sorted(stated))}
    return [ranks[pts] for pts in stated]


def _packets(path: Path) -> Iterator[Any]:
    with open_video(path) as container:
        stream = container.streams.video[0]
        yield from (packet for packet in container.demux(stream) if packet.pts is not None and packet.size)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends without an error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:40]}.")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason_of(error)})") from None
    with folder:
        temporary = Path(folder.name) / "joined"
        yield temporary
        try:
            temporary.replace(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({reason_of(error)})") from None
