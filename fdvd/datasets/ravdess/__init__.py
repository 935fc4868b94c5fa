"""RAVDESS (Livingstone & Russo 2018): what its file names say, and finding its clips in a folder."""

from __future__ import annotations

from fdvd.datasets.ravdess.folder import Source, find_recordings
from fdvd.datasets.ravdess.names import Recording, parse_name

__all__ = ["Recording", "Source", "find_recordings", "parse_name"]
