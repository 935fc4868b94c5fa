"""`vilaface train mapper-images` as a user runs it: killed and resumed, in two processes, at smoke size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gan_mapping.mappers.files import WEIGHTS_DIR, load_mappers
from tests.gan_mapping.training.through_generator.tiny_parts import write_faces, write_generator, write_recipe
from tests.paths import ROOT

COMMAND = [sys.executable, "-m", "apps.cli.main", "train", "mapper-images", "--device", "cpu"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(recipe: Path, out: Path) -> subprocess.Popen[str]:
    command = [*COMMAND, "--config", str(recipe), "--out", str(out)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )


def finish(recipe: Path, out: Path) -> str:
    process = start(recipe, out)
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, output
    return output


def rows(path: Path) -> list[dict[str, float]]:
    """Complete lines; the last one of a running process may be half written."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]


@pytest.mark.slow
def test_a_killed_and_resumed_run_has_the_same_loss_curve(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", write_generator(tmp_path / "tiny.safetensors"))
    finish(recipe, tmp_path / "unbroken")
    process = start(recipe, tmp_path / "killed")
    give_up = time.monotonic() + 1800
    while process.poll() is None and time.monotonic() < give_up:
        if any(row["step"] >= 5 for row in rows(tmp_path / "killed" / "log.jsonl")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output
    assert not (tmp_path / "killed" / "mappers.safetensors").exists()
    assert "Going on after step" in finish(recipe, tmp_path / "killed")
    curve = rows(tmp_path / "unbroken" / "log.jsonl")
    assert [row["step"] for row in curve] == list(range(1, 13))
    for name in ("log.jsonl", "checks.jsonl"):
        assert rows(tmp_path / "killed" / name) == rows(tmp_path / "unbroken" / name)
    checks = rows(tmp_path / "unbroken" / "checks.jsonl")
    assert checks[-1]["loss"] < 0.95 * checks[0]["loss"]
    ours, theirs = (load_mappers(tmp_path / name / "mappers.safetensors")[0] for name in ("killed", "unbroken"))
    assert torch.equal(ours.vision.up.weight, theirs.vision.up.weight)
    assert float(ours.vision.up.weight.abs().max()) > 0


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    from tests.vl_backbone.pretraining.processes import run_group

    run = {"steps": 3, "batch_size": 2, "check_every": 3, "log_every": 1}
    recipe = write_recipe(tmp_path / "recipe.yaml", write_generator(tmp_path / "tiny.safetensors"), run=run)
    for processes in (1, 2):
        out = tmp_path / str(processes)
        run_group([*COMMAND[1:], "--config", str(recipe), "--out", str(out)], processes, timeout=1800)
    one, two = (rows(tmp_path / name / "log.jsonl") for name in ("1", "2"))
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], rel=1e-3)


@pytest.mark.slow
def test_a_check_of_joined_losses_does_not_wait_for_the_other_process(tmp_path: Path) -> None:
    from tests.vl_backbone.pretraining.processes import run_group

    run = {"steps": 1, "batch_size": 2, "check_every": 1, "log_every": 1}
    losses = {"latent": 1.0, "caption": 0.1}
    generator = write_generator(tmp_path / "tiny.safetensors")
    recipe = write_recipe(
        tmp_path / "recipe.yaml",
        generator,
        run=run,
        reconstruction=losses,
        language="hdvila-mini",
        faces={"folders": [str(write_faces(tmp_path / "faces"))], "held_out_faces": 2, "sentences": 50},
    )
    out = tmp_path / "run"
    run_group([*COMMAND[1:], "--config", str(recipe), "--out", str(out)], 2, timeout=1800)
    assert [row["step"] for row in rows(out / "checks.jsonl")] == [0, 1]
    assert "caption" in rows(out / "checks.jsonl")[-1]


@pytest.mark.slow
def test_the_smoke_recipe_runs_every_loss_on_the_shipped_parts(tmp_path: Path) -> None:
    recipe = ROOT / "apps" / "configs" / "mapper_images" / "images-smoke.yaml"
    finish(recipe, tmp_path / "run")
    last = rows(tmp_path / "run" / "log.jsonl")[-1]
    reconstruction = {"latent", "mean", "pixel", "perceptual", "identity"}
    edit = {"directional", "contrast", "reach", "keep", "identity", "offset", "spread", "intents"}
    assert set(last) >= reconstruction | {f"edit_{name}" for name in edit}
    mappers, _ = load_mappers(tmp_path / "run" / "mappers.safetensors")
    pictures = mappers.provenance["pictures"]
    assert isinstance(pictures, dict) and pictures["faces"] == 3 and mappers.backbone == "hdvila-mini"
    shipped, _ = load_mappers(WEIGHTS_DIR / "mini.safetensors")
    assert mappers.reader is not None and shipped.reader is not None
    assert torch.equal(mappers.reader.weight, shipped.reader.weight), "what looks at edits is handed on"
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_losses_that_need_one_space_are_refused_without(tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path / "recipe.yaml",
        write_generator(tmp_path / "tiny.safetensors"),
        parts=["directions"],
        edit={"directional": 1.0},
        reconstruction={},
        faces={"drawn": 2, "held_out_faces": 1},
    )
    process = start(recipe, tmp_path / "run")
    output, _ = process.communicate(timeout=1800)
    assert process.returncode == 2 and "hdvila-mini" in output and "Traceback" not in output
