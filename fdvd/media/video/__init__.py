"""Video files in and out with PyAV: constant memory, true timestamps, upright RGB frames, audio kept."""

from __future__ import annotations

from fdvd.media.video.info import VideoInfo
from fdvd.media.video.reader import ClipFrame, probe, read_frames
from fdvd.media.video.seeking import read_frames_at
from fdvd.media.video.writer import VideoWriter

__all__ = ["ClipFrame", "VideoInfo", "VideoWriter", "probe", "read_frames", "read_frames_at"]
