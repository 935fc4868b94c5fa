"""MobileStyleGAN: parity with the published graph, the w+ seam, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_mapping import load_generator
from gan_mapping.generators.mobile_stylegan import inverse_haar
from gan_mapping.generators.openvino_engine import build_model
from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.reference import compile_reference, fetch_reference
from gan_mapping.generators.registry import MobileStyleGANGenerator
from gan_mapping.superres.pixels import box_filter
from vl_backbone.common.errors import InputError, WeightsError
from vl_backbone.networks.openvino_runtime import request_for


def latent(generator: Generator, seed: int, psi: float = 0.75) -> torch.Tensor:
    z = np.random.default_rng(seed).standard_normal((1, 512)).astype(np.float32)
    return generator.mapping(torch.from_numpy(z), truncation_psi=psi)


def test_inverse_haar_follows_the_published_formula() -> None:
    low, lh, hl, hh = 1.0, 0.5, 0.25, 0.125
    out = inverse_haar(torch.tensor([low, lh, hl, hh]).reshape(1, 4, 1, 1))[0, 0]
    expected = [
        [(low + lh + hl + hh) / 2, (low + lh - hl - hh) / 2],
        [(low - lh + hl - hh) / 2, (low - lh - hl + hh) / 2],
    ]
    assert torch.allclose(out, torch.tensor(expected))


def test_sizes_and_errors(generator: Generator) -> None:
    assert isinstance(generator, Generator)
    ws = latent(generator, 0)
    assert ws.shape == (1, 23, 512)
    with pytest.raises(InputError, match="w\\+ must be"):
        generator.synthesis(ws[:, :5])
    with pytest.raises(InputError, match="noise"):
        generator.synthesis(ws, noise_mode="random")
    with pytest.raises(WeightsError, match="no-such-generator"):
        load_generator("no-such-generator")


def test_truncation_moves_towards_the_mean(generator: Generator) -> None:
    assert torch.allclose(latent(generator, 3, psi=0.0), generator.w_mean.expand(1, 23, 512), atol=1e-6)
    full, half = latent(generator, 3, psi=1.0), latent(generator, 3, psi=0.5)
    assert torch.allclose(half - generator.w_mean, (full - generator.w_mean) / 2, atol=1e-5)


@pytest.mark.slow
def test_parity_with_the_published_graph(generator: Generator) -> None:
    reference = compile_reference(fetch_reference())
    for seed, psi in ((0, 1.0), (1, 0.75), (2, 0.5)):
        ws = latent(generator, seed, psi)
        expected = reference.infer([ws[:, 0].numpy()])[0]
        with torch.no_grad():
            assert np.abs(generator.synthesis(ws).numpy() - expected).max() < 2e-3
        assert np.abs(generator.render(ws).numpy() - expected).max() < 2e-3


@pytest.mark.slow
def test_parity_with_a_different_w_per_layer(generator: Generator) -> None:
    reference = compile_reference(fetch_reference(), per_layer=True)
    ws = torch.cat([latent(generator, seed)[:, :1] for seed in range(23)], dim=1)
    expected = reference.infer([ws.numpy()])[0].copy()
    with torch.no_grad():
        assert np.abs(generator.synthesis(ws).numpy() - expected).max() < 2e-3
    assert np.abs(generator.render(ws).numpy() - expected).max() < 2e-3
    # The order of the rows matters, so the comparison above really tests it.
    assert np.abs(generator.render(ws.flip(1)).numpy() - expected).max() > 0.1


@pytest.mark.slow
def test_a_draft_is_the_same_picture_to_the_eye(generator: Generator) -> None:
    for seed in range(3):
        ws = latent(generator, seed)
        drawn, draft = (picture * 127.5 for picture in (generator.render(ws), generator.draft(ws)))
        assert (drawn.shape == draft.shape and torch.equal(drawn, draft)) == generator.exact_drafts
        difference = (box_filter(drawn, 512) - box_filter(draft, 512)).abs()
        assert difference.mean() < 1
        assert torch.quantile(difference[0, :, ::2, ::2], 0.99) < 5
    with pytest.raises(InputError, match="w\\+ must be"):
        generator.draft(ws[:, :5])


@pytest.mark.slow
def test_the_compiled_graph_holds_no_more_than_its_weights(generator: MobileStyleGANGenerator) -> None:
    """OpenVINO once made one constant of each layer's bias and noise, as large as its picture."""
    request = request_for(build_model(generator.network.synthesis))
    nodes = request.get_compiled_model().get_runtime_model().get_ordered_ops()
    held = sum(int(np.prod(node.output(0).shape)) for node in nodes if node.get_rt_info()["layerType"].value == "Const")
    weights = sum(tensor.numel() for tensor in generator.network.synthesis.parameters())
    assert 0 < held < 1.5 * weights


@pytest.mark.slow
def test_batch_equals_single_pictures_and_gradients_reach_every_row(generator: Generator) -> None:
    ws = torch.cat([latent(generator, 5), latent(generator, 6)])
    with torch.no_grad():
        both = generator.synthesis(ws)
        assert torch.allclose(both[1:], generator.synthesis(ws[1:]), atol=1e-3)
    one = ws[:1].clone().requires_grad_()
    generator.synthesis(one).square().mean().backward()
    assert one.grad is not None
    assert bool((one.grad.norm(dim=2) > 0).all())
