"""Two real processes over gloo give what one process gives on the joined batch."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.vl_backbone.pretraining.processes import run_group
from tests.vl_backbone.pretraining.two_processes import TwoTowers, joined_batch, results
from vl_backbone.pretraining.contrastive import contrastive_loss

SCRIPT = Path(__file__).with_name("two_processes.py")


def test_gathered_loss_and_gradients_equal_those_of_the_joined_batch(tmp_path: Path) -> None:
    model = TwoTowers()
    video, text = joined_batch()
    loss = contrastive_loss(*model(video, text))
    loss.backward()
    expected = results(model, loss)
    run_group([str(SCRIPT), str(tmp_path)], processes=2)
    for rank in range(2):
        found = load_file(tmp_path / f"2-{rank}.safetensors")
        assert set(found) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}")
