"""Editing clips: shots, identities, filters over time. Streams frames; knows nothing of files."""

from __future__ import annotations

from gan_mapping.video.editor import ClipConfig, ClipEditor
from gan_mapping.video.plan import ClipPlan, FrameDetections, Shot, Tracklet

__all__ = ["ClipConfig", "ClipEditor", "ClipPlan", "FrameDetections", "Shot", "Tracklet"]
