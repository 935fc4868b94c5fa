"""Refinement's loss by both ways, its early end, and its axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_mapping.editing import refinement
from gan_mapping.editing.photo_loss import (
    LossAndGradient,
    OpenVINOPhotoLoss,
    PhotoLossWeights,
    TorchPhotoLoss,
)
from gan_mapping.editing.refinement import RefinementConfig, Refiner, main_axes

CPU = torch.device("cpu")


class Bowl:
    """A loss with its minimum at w = 1, drawn as a flat picture."""

    side, corrected = 64, False

    def __init__(self) -> None:
        self.calls = 0

    def set_photo(self, photo: Tensor) -> None:
        assert photo.shape == (1, 3, 64, 64)

    def set_correction(self, correction: Tensor) -> None:
        raise AssertionError("an uncorrected loss is not to be corrected")

    def __call__(self, ws: Tensor) -> LossAndGradient:
        self.calls += 1
        apart = ws.detach() - 1
        return LossAndGradient(float(apart.square().mean()), apart, torch.zeros(1, 3, 64, 64))


class FlatGenerator:
    """Just the sizes and the mapping that refinement asks for; its W varies a hundred times more along axis 0."""

    name, z_dim, w_dim, num_ws, resolution = "flat", 4, 4, 3, 64
    w_mean = torch.zeros(4)

    def mapping(self, z: Tensor, *_: object) -> Tensor:
        return (z * torch.tensor([10.0, 1.0, 1.0, 1.0]))[:, None].repeat(1, 3, 1)


@pytest.fixture
def bowl(monkeypatch: pytest.MonkeyPatch) -> Bowl:
    loss = Bowl()
    monkeypatch.setattr(refinement, "photo_loss", lambda *_: loss)
    return loss


def test_steps_are_larger_along_the_axes_in_which_faces_differ() -> None:
    axes = main_axes(FlatGenerator())  # type: ignore[arg-type]
    lengths = axes.norm(dim=0)
    assert float(axes.square().sum()) == pytest.approx(4.0, rel=1e-4)
    assert float(lengths.max() / lengths.min()) == pytest.approx(10**0.5, rel=0.1)
    assert torch.allclose(axes.T @ axes, torch.diag(lengths.square()), atol=1e-5)


def test_it_ends_early_where_nothing_gets_better(bowl: Bowl) -> None:
    """At the minimum from the start, it stops after two times its patience, and the bar still fills."""
    config = RefinementConfig(size=64, patience=2)
    refiner = Refiner(FlatGenerator(), None, None, CPU, config)  # type: ignore[arg-type]
    seen: list[tuple[int, int]] = []
    crop = np.zeros((64, 64, 3), np.uint8)
    refiner.refine(torch.ones(1, 3, 4), crop, 50, lambda step, steps: seen.append((step, steps)))
    assert bowl.calls == 5 and seen[-1] == (50, 50)


def test_it_goes_to_the_minimum(bowl: Bowl) -> None:
    refiner = Refiner(FlatGenerator(), None, None, CPU, RefinementConfig(size=64, spread=0, start=0))  # type: ignore[arg-type]
    found = refiner.refine(torch.full((1, 3, 4), 0.7), np.zeros((64, 64, 3), np.uint8), 60)
    assert float((found - 1).abs().max()) < 0.05


@pytest.mark.slow
def test_one_graph_gives_what_torch_gives() -> None:
    """Loss and gradient of the OpenVINO graph against torch's autograd through the same heads and networks."""
    from gan_mapping.generators.registry import load_generator
    from gan_mapping.perception.networks import load_identity, load_perceptual
    from vl_backbone.weights import WeightStore

    store, generator = WeightStore(), load_generator()
    identity, _ = load_identity("dlib-face-resnet", CPU, store)
    perceptual, _ = load_perceptual("efficientnet-lite0", CPU, store)
    weights = PhotoLossWeights()
    z = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 512)).astype(np.float32))
    one, other = generator.mapping(z, truncation_psi=0.75).split(1)
    photo = (generator.preview(other, 256).clamp(-1, 1) + 1) * 127.5
    fast = OpenVINOPhotoLoss(generator, perceptual, identity, weights, 256)  # type: ignore[arg-type]
    slow = TorchPhotoLoss(generator, perceptual, identity, weights, 256)
    correction = 0.05 * torch.ones(1, 3, 256, 256)
    for loss in (fast, slow):
        loss.set_photo(photo)
        loss.set_correction(correction)
    a, b = fast(one), slow(one)
    assert a.loss == pytest.approx(b.loss, rel=1e-3)
    assert torch.allclose(a.picture, b.picture, atol=1e-3)
    assert float(torch.cosine_similarity(a.gradient.flatten(), b.gradient.flatten(), dim=0)) > 0.999
    assert fast(other).loss < a.loss
