"""The real command in this process, with the stand-in editor in the place of the preset's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from apps.cli import common
from apps.cli.main import app
from tests.apps.batch.batch_editor import batch_editor
from tests.apps.batch.batch_helpers import Batch


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Batch:
    """batch(manifest, "--out", folder, ...) -> the finished call."""
    monkeypatch.setattr(common, "load_editor", lambda preset, device: batch_editor())

    def call(*arguments: str | Path) -> Any:
        return CliRunner().invoke(app, ["batch", *map(str, arguments)])

    return call
