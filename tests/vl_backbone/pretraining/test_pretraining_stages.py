"""Stage 1 and stage 2 on real videos: they learn, they freeze what they should, and a killed run goes on exactly."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.vl_backbone.moving_shapes import MovingShapes
from tests.vl_backbone.tiny_recipes import TINY_FIELDS, read_log, stage_one, stage_two, write_recipe
from vl_backbone.common.yaml_config import load_yaml
from vl_backbone.hdvila.model import build_hdvila
from vl_backbone.pretraining.objectives import MaskedWordsObjective
from vl_backbone.pretraining.recipe import PretrainingConfig, pretrain


def run(path: Path, recipe: dict[str, Any], out: Path) -> None:
    pretrain(load_yaml(PretrainingConfig, write_recipe(path, recipe)), out, cpu=True)


@pytest.fixture(scope="module")
def first_stage(moving_shapes: MovingShapes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unbroken stage-1 run."""
    folder = tmp_path_factory.mktemp("stage1")
    run(folder / "recipe.yaml", stage_one(moving_shapes), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def second_stage(moving_shapes: MovingShapes, first_stage: Path) -> Path:
    """The folder of an unbroken stage-2 run on top."""
    folder = first_stage.parent
    run(folder / "second.yaml", stage_two(moving_shapes, first_stage / "model.safetensors"), folder / "second")
    return folder / "second"


def mean(rows: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)


def kill_in_the_middle(recipe: Path, out: Path, step: int) -> None:
    """Starts the command as a user would and kills it hard once it has passed that step."""
    command = [sys.executable, "-m", "apps.cli.main", "train", "backbone", "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--config", str(recipe), "--out", str(out)],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    give_up = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < give_up:
        if any(row["step"] >= step for row in read_log(out)):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output
    assert not (out / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])
def test_a_killed_and_resumed_run_ends_with_the_same_weights(
    moving_shapes: MovingShapes, first_stage: Path, second_stage: Path, tmp_path: Path, stage: int
) -> None:
    unbroken = first_stage if stage == 1 else second_stage
    recipe = stage_one(moving_shapes) if stage == 1 else stage_two(moving_shapes, first_stage / "model.safetensors")
    path = write_recipe(tmp_path / "recipe.yaml", recipe)
    kill_in_the_middle(path, tmp_path / "run", step=17)
    assert 17 <= read_log(tmp_path / "run")[-1]["step"] < 60
    said: list[str] = []
    pretrain(load_yaml(PretrainingConfig, path), tmp_path / "run", cpu=True, say=said.append)
    assert any("Going on after step" in line for line in said)
    expected, found = (load_file(folder / "model.safetensors") for folder in (unbroken, tmp_path / "run"))
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert read_log(tmp_path / "run") == read_log(unbroken)


@pytest.mark.slow
def test_contrastive_loss_falls(first_stage: Path) -> None:
    rows = read_log(first_stage)
    assert [row["step"] for row in rows] == list(range(1, 61))
    chance = math.log(4)
    assert mean(rows[:10], "loss") > chance - 0.1 and mean(rows[-10:], "loss") < chance - 0.4
    assert mean(rows[-10:], "accuracy") > mean(rows[:10], "accuracy") + 0.2


@pytest.mark.slow
def test_masked_words_are_learned_and_only_the_joint_half_changes(first_stage: Path, second_stage: Path) -> None:
    rows = read_log(second_stage)
    assert mean(rows[-10:], "accuracy") > mean(rows[:10], "accuracy") + 0.3
    assert mean(rows[-10:], "loss") < 0.7 * mean(rows[:10], "loss")
    before, after = load_file(first_stage / "model.safetensors"), load_file(second_stage / "model.safetensors")
    assert before.keys() < after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def test_stage_two_trains_exactly_the_joint_half() -> None:
    model = build_hdvila(TINY_FIELDS, 2)
    objective = MaskedWordsObjective(model).train()
    trained = {name.split(".dense")[0].split(".layer")[0] for name, p in model.named_parameters() if p.requires_grad}
    layers = {
        int(name.split(".layer.")[1].split(".")[0])
        for name, p in model.named_parameters()
        if p.requires_grad and ".encoder.layer." in name
    }
    assert layers == {2, 3}
    assert {name.split(".")[-2] if "." in name else name for name in trained if "cls" in name}
    assert {".".join(name.split(".")[:3]) for name in trained} == {
        "transformer.bert.encoder",
        "transformer.bert.pooler2",
        "transformer.bert.visual_embeddings",
        "transformer.cls.predictions",
        "transformer.cls.seq_relationship",
    }
    assert model.timesformer.training and not model.cnn.training
    MaskedWordsObjective(model, frozen_dropout=False).train()
    assert not model.timesformer.training and model.transformer.bert.encoder.layer[3].training
    assert objective.model is model


def test_real_size_groups_and_frozen_share() -> None:
    """Numbers of tensors in each optimizer group, and of trainable parameters, as in the released training runs."""
    from collections import Counter

    from vl_backbone.training.optim import OptimizerConfig, parameter_groups

    with torch.device("meta"):
        first, second = build_hdvila({}, 1), build_hdvila({}, 2)
        MaskedWordsObjective(second)
    sizes = Counter(
        {g["name"]: len(g["params"]) for g in parameter_groups(first.named_parameters(), OptimizerConfig())}
    )
    assert sizes == {
        "transformer.rest.decay": 75,
        "transformer.rest.no_decay": 128,
        "cnn.scaled.decay": 3,
        "cnn.rest.decay": 212,
        "cnn.rest.no_decay": 106,
        "timesformer.rest.decay": 41,
        "timesformer.rest.no_decay": 43,
    }
    groups = parameter_groups(second.named_parameters(), OptimizerConfig())
    assert {g["name"]: len(g["params"]) for g in groups} == {
        "transformer.rest.decay": 76,
        "transformer.rest.no_decay": 132,
    }
    assert sum(p.numel() for g in groups for p in g["params"]) == 185_275_196
