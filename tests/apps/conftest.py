"""Fixtures of the tests of the command line and the web page."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_mapping import FaceEditor
from tests.apps.app_helpers import Launch, run_vilaface
from tests.paths import ROOT
from tests.standin import standin_editor


@pytest.fixture(scope="session")
def astronaut() -> Path:
    return ROOT / "examples" / "astronaut.png"


@pytest.fixture(scope="session")
def launch() -> Launch:
    """Runs the real command: launch("edit", ..., cwd=folder)."""
    return run_vilaface


@pytest.fixture
def small_editor() -> FaceEditor:
    """An editor whose networks take milliseconds."""
    return standin_editor(refine_steps=3)
