"""Fixtures of the tests of the command line and the web page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.app_helpers import FakeEditor, Launch, run_vilaface
from tests.paths import ROOT


@pytest.fixture(scope="session")
def astronaut() -> Path:
    return ROOT / "examples" / "astronaut.png"


@pytest.fixture(scope="session")
def launch() -> Launch:
    """Runs the real command: launch("edit", ..., cwd=folder)."""
    return run_vilaface


@pytest.fixture
def fake_editor() -> FakeEditor:
    return FakeEditor()
