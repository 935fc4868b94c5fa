"""Parameter groups, the optimizer's arithmetic, and the schedules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from vl_backbone.common.errors import UsageError
from vl_backbone.training.optim import (
    AdamWDecayAfter,
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    group_of,
    multi_step_factor,
    parameter_groups,
    schedule_factor,
    set_learning_rates,
)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("cnn.conv1.weight", ("cnn", False, True)),
        ("cnn_low.layer1.0.bn1.weight", ("cnn", False, True)),
        ("cnn.bn1.bias", ("cnn", False, False)),
        ("grid_encoder_low.0.weight", ("cnn", True, True)),
        ("timesformer.pos_embed", ("timesformer", False, False)),
        ("timesformer.blocks.0.norm1.weight", ("timesformer", False, True)),
        ("timesformer.norm.bias", ("timesformer", False, False)),
        ("transformer.bert.embeddings.word_embeddings.weight", ("transformer", False, False)),
        ("transformer.bert.encoder.layer.0.output.LayerNorm.weight", ("transformer", False, False)),
        ("transformer.cls.predictions.decoder.weight", ("transformer", False, True)),
        ("transformer.t_proj.bias", ("transformer", False, False)),
    ],
)
def test_group_by_name(name: str, group: tuple[str, bool, bool]) -> None:
    assert group_of(name) == group


def test_groups_carry_their_rates_and_leave_frozen_parameters_out() -> None:
    def parameter(trained: bool = True) -> nn.Parameter:
        return nn.Parameter(torch.zeros(2), requires_grad=trained)

    named = [
        ("cnn.conv1.weight", parameter()),
        ("grid_encoder.0.weight", parameter()),
        ("timesformer.time_embed", parameter()),
        ("transformer.t_proj.weight", parameter()),
        ("transformer.v_proj.weight", parameter(False)),
    ]
    config = OptimizerConfig(1e-3, cnn_learning_rate=1e-4, grid_encoder_factor=10.0, weight_decay=0.01)
    groups = {group["name"]: group for group in parameter_groups(named, config)}
    assert {name: group["lr"] for name, group in groups.items()} == {
        "transformer.rest.decay": 1e-3,
        "cnn.scaled.decay": 1e-3,
        "cnn.rest.decay": 1e-4,
        "timesformer.rest.no_decay": 1e-3,
    }
    assert groups["timesformer.rest.no_decay"]["weight_decay"] == 0
    assert groups["transformer.rest.decay"]["param_names"] == ["transformer.t_proj.weight"]
    with pytest.raises(UsageError, match="frozen"):
        build_optimizer([("a", parameter(False))], config)


def test_optimizer_follows_the_formula() -> None:
    gradients = [0.5, -2.0, 0.25]
    used, unused = nn.Parameter(torch.tensor([1.0], dtype=torch.float64)), nn.Parameter(torch.tensor([3.0]))
    rate, decay, eps = 0.1, 0.05, 1e-6
    group = {"params": [used, unused], "lr": rate, "weight_decay": decay}
    optimizer = AdamWDecayAfter([group], (0.9, 0.98), eps)
    x, m, v = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        used.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * gradient, 0.98 * v + 0.02 * gradient**2
        x -= rate * math.sqrt(1 - 0.98**step) / (1 - 0.9**step) * m / (math.sqrt(v) + eps)
        x -= rate * decay * x
    assert used.item() == pytest.approx(x, rel=1e-12)
    assert unused.item() == pytest.approx(3.0 * (1 - rate * decay) ** 3, rel=1e-6), "no gradient still decays"


def test_linear_schedule_warms_up_and_ends_at_zero() -> None:
    config = ScheduleConfig("linear", warmup=0.1)
    factors = [schedule_factor(step, 100, config) for step in range(1, 101)]
    assert factors[:10] == pytest.approx([i / 10 for i in range(1, 11)])
    assert factors[54] == pytest.approx(0.5) and factors[-1] == 0
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer([("transformer.t_proj.weight", parameter)], OptimizerConfig(1e-3))
    set_learning_rates(optimizer, factors[54])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(5e-4)
    set_learning_rates(optimizer, factors[-1])
    assert optimizer.param_groups[0]["lr"] == 1e-8


def test_multi_step_schedule_quarters_at_the_last_milestone() -> None:
    assert [multi_step_factor(epoch, (2, 4)) for epoch in range(6)] == [1, 1, 0.5, 0.5, 0.125, 0.125]
    config = ScheduleConfig("multi_step", warmup=0.1, milestones=(2,))
    assert schedule_factor(5, 100, config, epoch=0) == 0.5
    assert schedule_factor(50, 100, config, epoch=1) == 1
    assert schedule_factor(50, 100, config, epoch=2) == 0.25


def test_bad_settings_are_refused() -> None:
    for bad in ({"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"weight_decay": -1.0}, {"beta2": 1.0}):
        with pytest.raises(UsageError):
            OptimizerConfig(**bad)
    for wrong in ({"kind": "cosine"}, {"kind": "multi_step"}, {"milestones": (1,)}, {"warmup": 2.0}):
        with pytest.raises(UsageError):
            ScheduleConfig(**wrong)  # type: ignore[arg-type]
