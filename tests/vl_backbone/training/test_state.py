"""The saved state of a run: complete, exact, and refused when it belongs elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vl_backbone.common.errors import UsageError
from vl_backbone.training.optim import AdamWDecayAfter, OptimizerConfig, build_optimizer
from vl_backbone.training.state import append_line, cut_log, load_state, save_state


class Shared(nn.Module):
    """Holds one parameter under two names, as HD-VILA's word prediction does."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.bias = self.a.bias


def trained(seed: int) -> tuple[Shared, AdamWDecayAfter]:
    torch.manual_seed(seed)
    model = Shared()
    optimizer = build_optimizer(model.named_parameters(), OptimizerConfig(0.1))
    for _ in range(3):
        optimizer.zero_grad()
        model.norm(model.a(torch.randn(5, 3))).square().sum().backward()
        optimizer.step()
    return model, optimizer


def test_a_state_comes_back_exactly(tmp_path: Path) -> None:
    model, optimizer = trained(0)
    save_state(tmp_path / "s", model, optimizer, 3, "same")
    other, restored = trained(1)
    assert load_state(tmp_path / "s", other, restored, "same") == 3
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    assert other.bias is other.a.bias
    for ours, theirs in zip(optimizer.param_groups, restored.param_groups, strict=True):
        for a, b in zip(ours["params"], theirs["params"], strict=True):
            assert optimizer.state[a]["step"] == restored.state[b]["step"] == 3
            assert torch.equal(optimizer.state[a]["exp_avg_sq"], restored.state[b]["exp_avg_sq"])
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_foreign_and_damaged_states_are_refused(tmp_path: Path) -> None:
    model, optimizer = trained(0)
    path = tmp_path / "s"
    save_state(path, model, optimizer, 3, "same")
    with pytest.raises(UsageError, match="other settings"):
        load_state(path, model, optimizer, "different")
    larger = nn.Sequential(nn.Linear(3, 4))
    with pytest.raises(UsageError, match="another model"):
        load_state(path, larger, build_optimizer(larger.named_parameters(), OptimizerConfig()), "same")
    data = path.read_bytes()
    for bad in (data[: len(data) // 2], b"", b"not a state" * 100):
        path.write_bytes(bad)
        with pytest.raises(UsageError, match="damaged"):
            load_state(path, model, optimizer, "same")


def test_a_state_of_an_older_version_is_refused_with_a_way_out(tmp_path: Path) -> None:
    model, optimizer = trained(0)
    save_file({"model/a.bias": torch.zeros(4)}, tmp_path / "s", {"format": "vilaface-training-state-1", "step": "3"})
    with pytest.raises(UsageError, match=r"older version.*finish the run with that version, or move .* start anew"):
        load_state(tmp_path / "s", model, optimizer, "same")


def test_a_log_is_cut_back_to_the_saved_step(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    cut_log(path, 0)
    for step in range(1, 6):
        append_line(path, {"step": step})
    with path.open("a", encoding="utf-8") as log:
        log.write('{"step": 6, "lo')
    cut_log(path, 3)
    assert [json.loads(line)["step"] for line in path.read_text(encoding="utf-8").splitlines()] == [1, 2, 3]
