"""Video files in and out with PyAV: constant memory, true timestamps, upright RGB frames, audio kept."""

from __future__ import annotations

from fdvd.media.video.writer import VideoWriter
from vl_backbone.video.decoding import ClipFrame, probe, read_frames
from vl_backbone.video.info import VideoInfo
from vl_backbone.video.seeking import read_frames_at

__all__ = ["ClipFrame", "VideoInfo", "VideoWriter", "probe", "read_frames", "read_frames_at"]
