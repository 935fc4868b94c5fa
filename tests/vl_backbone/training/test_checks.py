"""Weight averages, held-out checks, the best weights and early stop; interrupted runs end the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vl_backbone.common.errors import UsageError
from vl_backbone.training.averaging import WeightAverage
from vl_backbone.training.checks import BEST_FILE, CHECKS_FILE, Check
from vl_backbone.training.data import Batch, Drawn
from vl_backbone.training.loop import FitConfig, RunConfig, fit
from vl_backbone.training.optim import OptimizerConfig, ScheduleConfig
from vl_backbone.training.state import load_weights, save_weights

RUN = RunConfig(steps=20, batch_size=2, save_every=4, log_every=1, ema_decay=0.8, check_every=3)
CONFIG = FitConfig(RUN, OptimizerConfig(0.05, weight_decay=0.0), ScheduleConfig("constant", 0.0))
SAMPLES = [float(i) for i in range(8)]


class Line(nn.Module):
    """Learns y = 2 x; `.model` is the network, as `fit` wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        x = batch["x"][:, None]
        return {"loss": (self.model(x) - 2 * x).square().mean()}


def collate(drawn: Sequence[Drawn]) -> Batch:
    return {"x": torch.tensor([d.sample for d in drawn]) / 8}


def train(folder: Path, config: FitConfig = CONFIG, goal: float = 2.0, report: Any = None) -> tuple[Line, int]:
    objective = Line()

    def check() -> Check:
        return Check({"loss": abs(float(objective.model.weight.detach()) - goal)})

    return objective, fit(objective, SAMPLES, collate, config, folder, report=report, checker=check)


def rows(folder: Path, name: str = CHECKS_FILE) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_an_average_follows_and_gives_the_weights_back() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = WeightAverage(model, 0.5)
    nn.init.ones_(model.weight)
    average.update(model, 1000)
    with average.applied(model):
        assert float(model.weight.detach()) == pytest.approx(0.5)
    assert float(model.weight.detach()) == 1.0
    young = WeightAverage(model, 0.999)
    nn.init.zeros_(model.weight)
    young.update(model, 1)
    assert float(young.tensors["weight"]) == pytest.approx(2 / 11)


def test_checks_are_noted_and_the_best_weights_come_out(tmp_path: Path) -> None:
    objective, steps = train(tmp_path, goal=0.25)
    noted = rows(tmp_path)
    assert steps == 20 and [row["step"] for row in noted] == [0, 3, 6, 9, 12, 15, 18, 20]
    best = min(row["loss"] for row in noted)
    assert best < noted[0]["loss"] and best < noted[-1]["loss"]
    assert abs(float(objective.model.weight.detach()) - 0.25) == pytest.approx(best)


def test_a_run_that_no_longer_improves_stops_and_stays_stopped(tmp_path: Path) -> None:
    config = replace(CONFIG, run=replace(RUN, patience=2))
    objective, steps = train(tmp_path, config, goal=0.0)
    assert steps == 6 and [row["step"] for row in rows(tmp_path)] == [0, 3, 6]
    assert float(objective.model.weight.detach()) == 0.0
    assert train(tmp_path, config, goal=0.0)[1] == 6


@pytest.mark.parametrize("checked", [True, False])
def test_an_interrupted_run_ends_the_same(tmp_path: Path, checked: bool) -> None:
    config = CONFIG if checked else replace(CONFIG, run=replace(RUN, check_every=0))

    def interrupt(progress: Any) -> None:
        if progress.step == 11:
            raise KeyboardInterrupt

    unbroken, _ = train(tmp_path / "unbroken", config, goal=0.4)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", config, goal=0.4, report=interrupt)
    resumed, _ = train(tmp_path / "broken", config, goal=0.4)
    assert torch.equal(resumed.model.weight, unbroken.model.weight)
    assert rows(tmp_path / "broken", "log.jsonl") == rows(tmp_path / "unbroken", "log.jsonl")
    assert (tmp_path / "broken" / CHECKS_FILE).exists() == checked
    if checked:
        assert rows(tmp_path / "broken") == rows(tmp_path / "unbroken")


def test_without_checks_the_average_comes_out(tmp_path: Path) -> None:
    plain, _ = train(tmp_path / "plain", replace(CONFIG, run=replace(RUN, ema_decay=0.0, check_every=0)))
    averaged, _ = train(tmp_path / "ema", replace(CONFIG, run=replace(RUN, check_every=0)))
    assert 0 < float(averaged.model.weight.detach()) < float(plain.model.weight.detach())
    with pytest.raises(UsageError, match="other settings"):
        train(tmp_path / "plain", replace(CONFIG, run=replace(RUN, check_every=0)))


def test_best_weights_are_checked(tmp_path: Path) -> None:
    path = tmp_path / BEST_FILE
    save_weights(path, nn.Linear(2, 1))
    with pytest.raises(UsageError, match="another model"):
        load_weights(path, nn.Linear(3, 1))
    path.write_bytes(b"no")
    with pytest.raises(UsageError, match="damaged"):
        load_weights(path, nn.Linear(2, 1))


def test_settings_are_checked() -> None:
    for fields in ({"ema_decay": 1.0}, {"check_every": -1}, {"patience": -1}):
        with pytest.raises(UsageError, match="ema_decay"):
            replace(RUN, **fields)
