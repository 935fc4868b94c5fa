"""`vilaface train backbone` as a user runs it: two processes, bad recipes, nothing but sentences on errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.apps.app_helpers import Launch


@pytest.mark.parametrize(
    ("command", "content", "reason"),
    [
        (("train", "backbone"), "stage: 1", "the field text is missing"),
        (("train", "qa"), "modle: {}", "unknown field modle"),
    ],
)
def test_bad_recipes_are_bad_usage(
    launch: Launch, tmp_path: Path, command: tuple[str, str], content: str, reason: str
) -> None:
    (tmp_path / "r.yaml").write_text(content, encoding="utf-8")
    result = launch(*command, "--config", "r.yaml", "--out", "out", cwd=tmp_path)
    assert result.returncode == 2 and reason in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""


def test_evaluate_needs_its_recipe(launch: Launch, tmp_path: Path) -> None:
    result = launch("evaluate", "retrieval", "--config", "none.yaml", "--json", cwd=tmp_path)
    assert result.returncode == 2 and "none.yaml" in result.stderr and result.stdout == ""


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    """The same recipe on one process and on two: the same batches, losses and gradients (dropout off).

    Only the first steps are compared: Adam's first updates have the size of the learning rate however small a
    gradient is, so rounding grows quickly in a network this small.
    """
    from safetensors.torch import load_file

    from tests.vl_backbone.moving_shapes import make_moving_shapes
    from tests.vl_backbone.pretraining.processes import run_group
    from tests.vl_backbone.tiny_recipes import read_log, stage_one, write_recipe

    (tmp_path / "videos").mkdir()
    recipe = stage_one(make_moving_shapes(tmp_path / "videos"), steps=2)
    fields = {**recipe["model"]["fields"], "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    # One block of the hybrid Transformer: the first has no stochastic depth, which differs between processes too.
    recipe["model"] = {**recipe["model"], "fields": {**fields, "timesformer_depth": 1}}
    path = write_recipe(tmp_path / "recipe.yaml", recipe)
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == recipe
    command = ["-m", "apps.cli.main", "train", "backbone", "--device", "cpu", "--config", str(path)]
    for processes in (1, 2):
        run_group([*command, "--out", str(tmp_path / str(processes))], processes)
    one, two = (read_log(tmp_path / name) for name in ("1", "2"))
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], rel=1e-4)
    assert two[0]["gradient_norm"] == pytest.approx(one[0]["gradient_norm"], rel=1e-4)
    states = [load_file(tmp_path / name / "model.safetensors") for name in ("1", "2")]
    assert states[0].keys() == states[1].keys()
