"""Puts this folder's helpers within reach of the tests below it, and makes the small video-text set once a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from moving_shapes import MovingShapes, make_moving_shapes


@pytest.fixture(scope="session")
def moving_shapes(tmp_path_factory: pytest.TempPathFactory) -> MovingShapes:
    """Short real videos of coloured shapes that move, with a sentence each."""
    folder: Path = tmp_path_factory.mktemp("moving-shapes")
    return make_moving_shapes(folder)
