"""Cells and lines of the reports' Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping


def share(value: float, digits: int = 0) -> str:
    """A share in percent; "-" for nan."""
    return "-" if math.isnan(value) else f"{value:.{digits}%}"


def plain(value: float, digits: int = 2) -> str:
    """A number; "-" for nan."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def rule(columns: int) -> str:
    """The line below a table's head."""
    return "|" + "---|" * columns


def left_out(failed: Mapping[str, str]) -> str:
    """Faces that could not be measured, with the reason."""
    return "Left out: " + "; ".join(f"{face}: {why}" for face, why in failed.items())
