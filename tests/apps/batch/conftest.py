"""The real command in this process, with the tiny editor in the place of the preset's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from batch_helpers import Batch
from tiny_editor import tiny_editor
from typer.testing import CliRunner

from apps.cli import common
from apps.cli.main import app


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Batch:
    """batch(manifest, "--out", folder, ...) -> the finished call."""
    monkeypatch.setattr(common, "load_editor", lambda preset, device: tiny_editor())

    def call(*arguments: str | Path) -> Any:
        return CliRunner().invoke(app, ["batch", *map(str, arguments)])

    return call
