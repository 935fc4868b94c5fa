"""Small pictures: near the whole drawing, scaled; differentiable; refused at other sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_mapping.generators.protocol import small_picture
from gan_mapping.generators.registry import load_generator
from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from gan_mapping.generators.stylegan2.network import StyleGAN2
from vl_backbone.common.errors import InputError

# Mean error of 255 that the shipped heads keep to on faces that they were not trained on, with room for rounding.
LARGEST_ERROR = {128: 7.0, 256: 6.0}


@pytest.mark.slow
@pytest.mark.parametrize("side", [128, 256])
def test_a_preview_is_near_the_whole_drawing(side: int) -> None:
    generator = load_generator()
    errors = []
    for seed in (1700, 1801, 1902):
        z = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 512)).astype(np.float32))
        ws = generator.mapping(z, truncation_psi=0.75)
        whole = F.avg_pool2d(generator.render(ws), 1024 // side).clamp(-1, 1)
        errors.append(float((generator.preview(ws, side).clamp(-1, 1) - whole).abs().mean()) * 127.5)
    assert np.mean(errors) < LARGEST_ERROR[side], errors


@pytest.mark.slow
def test_the_gradient_is_the_heads_own() -> None:
    generator = load_generator()
    z = torch.from_numpy(np.random.default_rng(5).standard_normal((1, 512)).astype(np.float32))
    ws = generator.mapping(z, truncation_psi=0.75)
    seed = torch.from_numpy(np.random.default_rng(6).standard_normal((1, 3, 128, 128)).astype(np.float32))
    fast, slow = ws.clone().requires_grad_(), ws.clone().requires_grad_()
    generator.preview(fast, 128).backward(seed)
    generator.heads(generator.network.synthesis, slow, 128).backward(seed)  # type: ignore[attr-defined]
    assert fast.grad is not None and slow.grad is not None
    assert bool((fast.grad[0].norm(dim=1) > 0)[[0, 5, 10, 15, 17, 22]].all())
    assert float((fast.grad - slow.grad).norm() / slow.grad.norm()) < 0.01


@pytest.mark.slow
def test_other_sides_are_refused() -> None:
    with pytest.raises(InputError, match="sides: 128, 256"):
        load_generator().preview(torch.zeros(1, 23, 512), 100)


def _tiny_stylegan2() -> StyleGAN2Generator:
    config = StyleGAN2Config(
        z_dim=8, c_dim=0, w_dim=8, resolution=128, channels=(8,) * 6, layer_features=8, embed_features=8
    )
    network = StyleGAN2(config)
    values = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=values))
    return StyleGAN2Generator(network, "tiny", {}, torch.device("cpu"))


def test_skip_connections_give_stylegan2_its_previews() -> None:
    generator = _tiny_stylegan2()
    assert generator.preview_sides == (64,)
    ws = torch.randn(1, generator.num_ws, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    picture = small_picture(generator, ws, 64)
    picture.square().sum().backward()
    assert picture.shape == (1, 3, 64, 64)
    # The last block's rows draw nothing of it.
    assert ws.grad is not None and float(ws.grad[0, 0].norm()) > 0 and float(ws.grad[0, -1].norm()) == 0
    assert small_picture(generator, ws, 32).shape == (1, 3, 32, 32)
