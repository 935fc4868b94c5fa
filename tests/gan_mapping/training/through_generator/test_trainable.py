"""Trainable changes on top of linear mappers: none is the start, all fold into plain linear layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan_mapping.training.through_generator.trainable import PARTS, TrainableMappers, latent_axes
from tests.gan_mapping.training.through_generator.tiny_parts import GRID, W_DIM, WORDS, tiny_mappers

FEATURES = torch.randn(40, GRID, generator=torch.Generator().manual_seed(3)) * 2 + 1
LATENTS = torch.randn(200, W_DIM, generator=torch.Generator().manual_seed(4))
TOKENS = torch.randn(5, 4, WORDS, generator=torch.Generator().manual_seed(5)) * 3
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]])


def trainable(*parts: str) -> TrainableMappers:
    return TrainableMappers(tiny_mappers(), FEATURES, LATENTS, parts)


def outputs(model: TrainableMappers) -> list[torch.Tensor]:
    ws = model.invert(FEATURES[:5])
    intents = model.read(TOKENS, MASK)
    return [ws, intents, model.offset(ws, intents)]


def test_no_change_is_the_start() -> None:
    start, model = tiny_mappers(), trainable(*PARTS)
    ws = start.vision(FEATURES[:5], 8)
    intents = start.read(TOKENS, MASK)
    assert int((intents != 0).sum()) > 5
    for ours, theirs in zip(outputs(model), (ws, intents, start.offset(ws, intents)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_changes_fold_into_plain_layers() -> None:
    model = trainable(*PARTS)
    before = outputs(model)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) / 3)
    wanted = outputs(model)
    folded = model.folded("tiny", "tiny", {"why": "test"})
    ws = folded.vision(FEATURES[:5], 8)
    intents = folded.read(TOKENS, MASK)
    for ours, theirs, old in zip((ws, intents, folded.offset(ws, intents)), wanted, before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
        assert not torch.allclose(theirs, old, atol=1e-2)
    groups = folded.offset.directions - tiny_mappers().offset.directions
    assert torch.allclose(groups[:, 0], groups[:, 4], atol=1e-5) and not torch.allclose(groups[:, 0], groups[:, 5])


@pytest.mark.parametrize("part", PARTS)
def test_only_the_named_part_learns(part: str) -> None:
    model = trainable(part)
    sum(output.square().sum() for output in outputs(model)).backward()
    named = {"vision": "vision.", "vision_input": "vision.inputs", "directions": "directions.", "text": "text."}[part]
    learnt = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learnt and all(name.startswith(named) for name in learnt)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.any())) == (name in learnt), name


def test_the_frozen_start_is_not_saved() -> None:
    names = set(trainable("vision").state_dict())
    assert "vision.output" in names and not [name for name in names if "start" in name or "axes" in name]


def test_latents_vary_evenly_along_the_axes() -> None:
    skewed = LATENTS @ torch.diag(torch.arange(1.0, W_DIM + 1)) + 3
    axes = latent_axes(skewed)
    coordinates = torch.linalg.solve(axes, (skewed - skewed.mean(0)).T).T
    assert torch.allclose(coordinates.T @ coordinates / len(skewed), torch.eye(W_DIM), atol=1e-3)


def test_the_shift_moves_every_face_alike() -> None:
    model = trainable("vision")
    before = model.invert(FEATURES[:3])
    nn.init.constant_(model.vision.shift, 1.0)
    moved = model.invert(FEATURES[:3]) - before
    assert torch.allclose(moved, latent_axes(LATENTS).sum(1).expand_as(moved), atol=1e-4)
