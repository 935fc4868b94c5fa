"""Builds FDVD (paper section 5.4) from a RAVDESS folder: aligned clips, attributes, descriptions, manifest."""

from __future__ import annotations

from fdvd.datasets.builder.build import BuildResult, build_fdvd
from fdvd.datasets.builder.clip import Tools
from fdvd.datasets.builder.settings import BuildSettings
from fdvd.datasets.builder.statistics import PAPER, statistics_table

__all__ = ["PAPER", "BuildResult", "BuildSettings", "Tools", "build_fdvd", "statistics_table"]
