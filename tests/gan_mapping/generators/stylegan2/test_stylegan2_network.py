"""StyleGAN2 against goldens of the official generator, and its gradients against autograd."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from gan_mapping import load_generator
from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.readers import GeneratorFile
from gan_mapping.generators.readers.generator_file import expected_shapes
from gan_mapping.generators.stylegan2.config import StyleGAN2Config, config_from_official
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from gan_mapping.generators.stylegan2.network import StyleGAN2, SynthesisLayer
from gan_mapping.generators.stylegan2.ops import upsample
from vl_backbone.common.errors import InputError

GOLDENS = Path(__file__).parent / "goldens"
TOLERANCES = {"a_plain": 1e-4, "b_clamp": 5e-3}


def load(name: str, tmp_path: Path) -> tuple[StyleGAN2Generator, dict[str, Tensor]]:
    """The golden generator through the public door, and what the official one made."""
    (tmp_path / "config.json").write_text((GOLDENS / f"{name}.json").read_text())
    (tmp_path / "net.safetensors").write_bytes((GOLDENS / f"{name}.safetensors").read_bytes())
    generator = load_generator(str(tmp_path / "net.safetensors"))
    assert isinstance(generator, StyleGAN2Generator) and isinstance(generator, Generator)
    return generator, load_file(GOLDENS / f"{name}.expected.safetensors")


@pytest.mark.parametrize("name", TOLERANCES)
def test_latents_and_pictures_are_the_official_ones(name: str, tmp_path: Path) -> None:
    generator, expected = load(name, tmp_path)
    for key, psi, cutoff in (("ws_psi1", 1.0, None), ("ws_psi07", 0.7, None), ("ws_psi07_cut4", 0.7, 4)):
        ws = generator.mapping(expected["z"], truncation_psi=psi, truncation_cutoff=cutoff)
        assert torch.allclose(ws, expected[key], rtol=0, atol=1e-5), key
    plus = generator.render(expected["ws_plus"])
    assert torch.allclose(plus, expected["img_wsplus_const"], rtol=0, atol=TOLERANCES[name])
    with torch.no_grad():
        # A batch takes another path through the convolutions than a single picture.
        plain = generator.synthesis(expected["ws_psi07"], noise_mode="none")
    assert torch.allclose(plain[:1], expected["img_ws07_none"], rtol=0, atol=TOLERANCES[name])
    assert torch.allclose(generator.render(expected["ws_psi07"])[1], generator.render(expected["ws_psi07"][1:])[0])


def small(resolution: int = 16, c_dim: int = 0, clamp: float | None = None, use_noise: bool = True) -> StyleGAN2:
    """A network with random weights, at a scale where clamps and noise matter."""
    widths = (6, 5, 4, 3)[: resolution.bit_length() - 2]
    config = StyleGAN2Config(
        8, c_dim, 7, resolution, widths, 3, 4 if c_dim else 0, 9, conv_clamp=clamp, use_noise=use_noise
    )
    source = torch.Generator().manual_seed(1)
    tensors = {key: torch.randn(shape, generator=source) for key, shape in expected_shapes(config).items()}
    for key in tensors:
        if key.startswith("mapping.fc"):
            tensors[key] *= 100  # as in real files: the learning rate of 0.01 is applied at run time
    return GeneratorFile(config, tensors, "test").network()


def reference_layer(layer: SynthesisLayer, x: Tensor, w: Tensor) -> Tensor:
    """The layer as the paper writes it, for autograd: one sample at a time, blur as a convolution of zeros."""
    rows = []
    for i, style in enumerate(layer.affine(w)):
        weight = layer.weight * style[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        y = x[i : i + 1]
        if layer.up:
            c = weight.shape[0]
            y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
            y = F.conv2d(F.pad(y, (1, 1, 1, 1)), (layer.resample_filter * 4).flip(0, 1).expand(c, 1, 4, 4), groups=c)
        else:
            y = F.conv2d(y, weight, padding=1)
        if layer.use_noise:
            y = y + layer.noise_const * layer.noise_strength
        y = F.leaky_relu(y + layer.bias[:, None, None], 0.2) * math.sqrt(2)
        rows.append(y if layer.clamp is None else y.clamp(-layer.clamp, layer.clamp))
    return torch.cat(rows)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("clamp", [None, 1.5])
@pytest.mark.parametrize(("batch", "size"), [(1, 3), (1, 8), (3, 4)])
def test_layers_and_their_gradients_equal_plain_autograd(up: bool, clamp: float | None, batch: int, size: int) -> None:
    network = small(clamp=clamp).double()
    layer = network.synthesis.get_submodule("b16.conv0" if up else "b8.conv1")
    assert isinstance(layer, SynthesisLayer)
    layer.noise_const = torch.randn(2 * size if up else size, 2 * size if up else size).double()
    x = torch.randn(batch, layer.weight.shape[1], size, size).double()
    w = torch.randn(batch, 7).double()
    ours, theirs = ((x.clone().requires_grad_(), w.clone().requires_grad_()) for _ in range(2))
    y, expected = layer(*ours, "const"), reference_layer(layer, *theirs)
    assert torch.allclose(y, expected, atol=1e-10)
    with torch.no_grad():
        assert torch.allclose(layer(x, w, "const"), expected, atol=1e-10)
    direction = torch.randn_like(y)
    (y * direction).sum().backward()
    (expected * direction).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None and other.grad is not None
        assert torch.allclose(mine.grad, other.grad, atol=1e-9)


def test_upsampling_is_zeros_then_blur() -> None:
    image, blur = torch.randn(2, 3, 5, 4), torch.rand(4, 4)
    spread = torch.zeros(2, 3, 10, 8)
    spread[:, :, ::2, ::2] = image
    expected = F.conv2d(F.pad(spread, (2, 1, 2, 1)), (blur * 4).flip(0, 1).expand(3, 1, 4, 4), groups=3)
    assert torch.allclose(upsample(image, blur), expected, atol=1e-5)


def test_gradients_reach_every_row_and_stay_out_of_the_weights() -> None:
    network = small()
    ws = torch.randn(1, 6, 7, requires_grad=True)
    network.synthesis(ws).square().sum().backward()
    assert ws.grad is not None and bool((ws.grad.norm(dim=2) > 0).all())
    assert not list(network.parameters())


def wrap(network: StyleGAN2) -> StyleGAN2Generator:
    return StyleGAN2Generator(network, "test", {}, torch.device("cpu"))


def test_noise_modes() -> None:
    generator = wrap(small())
    ws = torch.randn(1, 6, 7)
    const, again, none = (generator.synthesis(ws, mode) for mode in ("const", "const", "none"))
    assert torch.equal(const, again) and not torch.allclose(const, none)
    torch.manual_seed(0)
    one, two = generator.synthesis(ws, "random"), generator.synthesis(ws, "random")
    torch.manual_seed(0)
    assert torch.equal(generator.synthesis(ws, "random"), one) and not torch.allclose(one, two)
    silent = wrap(small(use_noise=False))
    assert torch.equal(silent.synthesis(ws, "random"), silent.synthesis(ws, "none"))


def test_labels_steer_a_conditional_generator() -> None:
    generator = wrap(small(c_dim=3))
    z, labels = torch.randn(3, 8), torch.eye(3)
    ws = generator.mapping(z[:1].expand(3, -1), labels)
    assert ws.shape == (3, 6, 7) and not torch.allclose(ws[0], ws[1])
    for wrong in (None, labels[:1], torch.eye(4)[:3]):
        with pytest.raises(InputError, match="labels"):
            generator.mapping(z, wrong)
    with pytest.raises(InputError, match="labels"):
        wrap(small()).mapping(z, labels)
    assert torch.equal(wrap(small()).mapping(z, torch.zeros(3, 0)), wrap(small()).mapping(z))


def test_bad_latents_are_explained() -> None:
    generator = wrap(small())
    for call in (
        lambda: generator.mapping(torch.zeros(8)),
        lambda: generator.synthesis(torch.zeros(1, 5, 7)),
        lambda: generator.synthesis(torch.zeros(6, 7)),
        lambda: generator.synthesis(torch.zeros(1, 6, 7), "loud"),
    ):
        with pytest.raises(InputError):
            call()


def test_config_f_has_the_official_tensors() -> None:
    arguments = {"z_dim": 512, "w_dim": 512, "img_resolution": 1024, "synthesis_kwargs": {"conv_clamp": 256}}
    config = config_from_official(arguments)
    shapes = expected_shapes(config)
    buffers = {k for k in shapes if k.endswith(("noise_const", "resample_filter", "w_avg"))}
    assert (config.num_ws, len(shapes)) == (18, 182)
    assert sum(math.prod(s) for k, s in shapes.items() if k not in buffers) == 30_370_060
    assert config.channels == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert StyleGAN2Config.from_metadata(json.loads(json.dumps(config.as_metadata()))) == config


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("batch", [1, 16])
def test_half_precision_draws_the_same_picture(batch: int, compiled: bool) -> None:
    network = small(32, clamp=256.0)
    ws = torch.randn(batch, 8, 7)
    with torch.no_grad():
        expected = network.synthesis(ws)
        synthesis = network.cuda().synthesis
        exact = synthesis(ws.cuda()).cpu()
        synthesis.fp16_resolutions = 2
        drawn = (torch.compile(synthesis) if compiled else synthesis)(ws.cuda()).cpu()
    reach = float(expected.abs().max())
    # The GPU's float32 convolutions may round to TF32.
    assert torch.allclose(exact, expected, atol=0.01 * reach)
    assert drawn.dtype == torch.float32 and not torch.equal(drawn, exact)
    assert torch.allclose(drawn, expected, atol=0.05 * reach)


@pytest.mark.gpu
@needs_gpu
def test_gradients_on_a_gpu_are_those_of_the_cpu() -> None:
    network = small(32, clamp=256.0)
    network.synthesis.fp16_resolutions = 2
    gradients = []
    for device in ("cpu", "cuda"):
        ws = torch.randn(2, 8, 7, generator=torch.Generator().manual_seed(3)).to(device).requires_grad_()
        network.to(device).synthesis(ws).square().mean().backward()
        assert ws.grad is not None
        gradients.append(ws.grad.cpu())
    assert torch.allclose(gradients[0], gradients[1], atol=0.02 * float(gradients[0].abs().max()))


def test_compiling_the_forward_pass_is_possible_and_changes_nothing() -> None:
    network = small(16, clamp=256.0)
    ws = torch.randn(2, 6, 7)
    with torch.no_grad():
        traced = torch.compile(network.synthesis, backend="aot_eager", fullgraph=True)
        assert torch.allclose(traced(ws), network.synthesis(ws), atol=1e-5)
