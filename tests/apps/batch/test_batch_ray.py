"""The same rows on a local Ray give the same files and a ledger that the local runner goes on from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from apps.cli import common
from tests.apps.batch.batch_editor import batch_editor
from tests.apps.batch.batch_helpers import HERE, Batch, digests, ledger_rows, write_manifest
from tests.paths import ROOT

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed; pip install 'vilaface[ray]'"
)


@needs_ray
@pytest.mark.slow
def test_ray_writes_what_the_local_runner_writes(tmp_path: Path, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{HERE}")
    monkeypatch.setattr(common, "load_editor", _load)
    manifest = write_manifest(tmp_path, 12)
    whole, spread = tmp_path / "whole", tmp_path / "spread"
    assert batch(manifest, "--out", whole).exit_code == 1
    try:
        result = batch(manifest, "--out", spread, "--runner", "ray", "--workers", "2")
        assert result.exit_code == 1 and "11 done, 1 failed" in result.stderr
        again = batch(manifest, "--out", spread, "--runner", "ray", "--workers", "2")
        assert "0 done, 1 failed, 11 were there already" in again.stderr
    finally:
        ray.shutdown()
    assert digests(spread) == digests(whole)
    assert sorted(row["row"] for row in ledger_rows(spread)) == list(range(1, 13))
    result = batch(manifest, "--out", spread)
    assert "11 were there already" in result.stderr


def _load(preset: str, device: str) -> object:
    return batch_editor()


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_a_sentence_says_what_to_install(tmp_path: Path, batch: Batch) -> None:
    result = batch(write_manifest(tmp_path, 3), "--out", tmp_path / "out", "--runner", "ray")
    assert result.exit_code == 2 and "pip install" in result.stderr
