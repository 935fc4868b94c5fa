"""Losses on values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from gan_mapping.losses.attributes import attribute_keeping, attribute_reaching
from gan_mapping.losses.language_image import directional_distance, matching_loss
from gan_mapping.losses.latent import latent_distance, offset_norm
from gan_mapping.training.through_generator.drawing import draw, scaled
from tests.gan_mapping.training.through_generator.tiny_parts import tiny_generator


def test_directional_distance_compares_differences_only() -> None:
    source = torch.tensor([[5.0, 5.0]] * 3)
    edited = source + torch.tensor([[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]])
    target, neutral = torch.tensor([[1.0, 7.0]] * 3), torch.tensor([[0.0, 7.0]])
    assert directional_distance(edited, source, target, neutral).tolist() == pytest.approx([0.0, 1.0, 2.0])


def test_matching_prefers_the_own_sentence() -> None:
    eye = torch.eye(3)
    right, wrong = matching_loss(eye * 4, eye), matching_loss(eye, eye.roll(1, 0))
    assert float(matching_loss(torch.ones(3, 2), torch.ones(3, 2))) == pytest.approx(math.log(3), rel=1e-4)
    assert float(right) < 1e-3 < math.log(3) < float(wrong)


def test_latent_distances_are_shares_of_the_variance() -> None:
    ws = torch.zeros(2, 4, 3)
    ws[1] = 2.0
    w, variance = torch.zeros(2, 3), torch.tensor(6.0)
    assert latent_distance(ws, w, variance).tolist() == [0.0, 2.0]
    assert latent_distance(ws, torch.full((3,), 2.0), variance).tolist() == [2.0, 0.0]
    assert offset_norm(ws, variance).tolist() == [0.0, 2.0]


def test_attributes_reach_and_keep() -> None:
    before = torch.tensor([[0.0, 0.2, 0.9]])
    after = torch.tensor([[0.6, 0.2, 0.5]])
    wanted = torch.tensor([[1.0, 0.0, 0.0]])
    assert float(attribute_reaching(before, after, wanted)) == pytest.approx(0.16)
    assert float(attribute_reaching(before, after, -wanted)) == pytest.approx(2.56)
    assert float(attribute_reaching(before, before + 2 * wanted, wanted)) == 0
    held = torch.tensor([[0.0, 1.0, 1.0]])
    assert float(attribute_keeping(before, after, held)) == pytest.approx(0.5 * 0.4**2 / 2)
    assert float(attribute_keeping(before, after, held * 0)) == 0


def test_thrifty_drawing_gives_the_same_picture_and_gradient() -> None:
    generator = tiny_generator()
    ws = torch.randn(3, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(1))
    found = []
    for thrifty in (False, True):
        leaf = ws.clone().requires_grad_()
        picture = draw(generator, leaf, thrifty)
        scaled(picture, 8).square().mean().backward()
        found.append((picture.detach(), leaf.grad))
    assert found[0][0].shape == (3, 3, 32, 32)
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        assert draw(generator, ws, True).shape == (3, 3, 32, 32)
