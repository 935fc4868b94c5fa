"""Builds FDVD (paper section 5.4) from a RAVDESS folder: aligned clips, attributes, descriptions, manifest."""

from __future__ import annotations

from fdvd.builder.build import BuildResult, build_fdvd
from fdvd.builder.clip import Tools
from fdvd.builder.settings import BuildSettings
from fdvd.builder.statistics import PAPER, statistics_table

__all__ = ["PAPER", "BuildResult", "BuildSettings", "Tools", "build_fdvd", "statistics_table"]
