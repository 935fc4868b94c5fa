"""InceptionResnetV1 and LPIPS: key names, sizes, arithmetic of LPIPS, refusal of other files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.losses.reconstruction import perceptual_distance
from gan_mapping.perception.face_network import FaceNetwork, aligned_chips
from gan_mapping.perception.inception_resnet import InceptionResnetV1, without_head
from gan_mapping.perception.lpips import LPIPS, TRUNKS, trunk_state
from gan_mapping.perception.networks import load_identity, load_perceptual
from vl_backbone.common.errors import UsageError, WeightsError
from vl_backbone.weights import WeightStore
from vl_backbone.weights.converters import lpips_heads

# Where torchvision's networks have convolutions, and which of them LPIPS reads behind the ReLU.
CONVOLUTIONS = {"vgg": [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28], "alex": [0, 3, 6, 8, 10]}
POOLINGS = {"vgg": {4: 2, 9: 2, 16: 2, 23: 2}, "alex": {2: 3, 5: 3}}
TAPS = {"vgg": [2, 7, 14, 21, 28], "alex": [0, 3, 6, 8, 10]}
STRIDES = {"vgg": {}, "alex": {0: (4, 2), 3: (1, 2)}}


def random_trunk(net: str) -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = {"classifier.6.weight": torch.zeros(2, 2)}
    for layer in TRUNKS[net]:
        fan_in = layer.inputs * layer.kernel**2
        state[f"features.{layer.index}.weight"] = torch.randn(
            layer.outputs, layer.inputs, layer.kernel, layer.kernel
        ) / (fan_in**0.5)
        state[f"features.{layer.index}.bias"] = torch.randn(layer.outputs) * 0.1
    return state


def random_heads(net: str) -> dict[str, Tensor]:
    widths = [layer.outputs for layer in TRUNKS[net] if layer.tap]
    return {f"lin{i}": torch.rand(width) for i, width in enumerate(widths)}


def lpips_by_the_book(net: str, state: dict[str, Tensor], heads: dict[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Equation 1 of the paper, layer by layer in torchvision's numbering."""

    def maps(x: Tensor) -> list[Tensor]:
        mean = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
        x = (x / 127.5 - 1 - mean) / torch.tensor([0.458, 0.448, 0.450])[:, None, None]
        taken = []
        for index in range(31):
            if index in POOLINGS[net]:
                x = F.max_pool2d(x, POOLINGS[net][index], 2)
            if index in CONVOLUTIONS[net]:
                stride, padding = STRIDES[net].get(index, (1, 1))
                weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
                x = F.relu(F.conv2d(x, weight, bias, stride, padding))
                if index in TAPS[net]:
                    taken.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return taken

    total = torch.zeros(len(a))
    for i, (x, y) in enumerate(zip(maps(a), maps(b), strict=True)):
        total = total + (heads[f"lin{i}"][:, None, None] * (x - y).square()).sum(1).mean((1, 2))
    return total


@pytest.mark.parametrize("net", ["vgg", "alex"])
def test_lpips_is_equation_one(net: str) -> None:
    state, heads = random_trunk(net), random_heads(net)
    network = LPIPS(net).load(trunk_state(net, state), heads)
    a, b = (torch.rand(2, 3, 64, 64) * 255 for _ in range(2))
    with torch.no_grad():
        distance = perceptual_distance(network.features(a), network.features(b))
        assert torch.allclose(distance, lpips_by_the_book(net, state, heads, a, b), rtol=1e-4)
        assert float(perceptual_distance(network.features(a), network.features(a)).max()) == 0
    black = torch.zeros(1, 3, 64, 64, requires_grad=True)
    perceptual_distance(network.features(black), network.features(b[:1])).sum().backward()
    assert black.grad is not None and bool(torch.isfinite(black.grad).all())


def test_other_files_are_no_trunk() -> None:
    state = random_trunk("alex")
    assert set(trunk_state("alex", state)) == {key for key in state if key.startswith("features.")}
    for wrong in ({}, {**state, "features.99.bias": torch.zeros(1)}, {**state, "features.0.bias": torch.zeros(1)}):
        with pytest.raises(WeightsError, match="AlexNet"):
            trunk_state("alex", wrong)
    with pytest.raises(WeightsError, match="VGG16"):
        trunk_state("vgg", state)


def test_heads_are_read_from_the_packages_files(tmp_path: Path) -> None:
    members = {}
    for net in TRUNKS:
        path = tmp_path / f"{net}.pth"
        heads = {
            f"lin{i}.model.1.weight": head[None, :, None, None] for i, head in enumerate(random_heads(net).values())
        }
        torch.save(heads, path)
        members[path.name] = path.read_bytes()
    heads = lpips_heads(members)
    assert len(heads) == 10 and heads["vgg.lin4"].shape == (512,) and heads["alex.lin1"].shape == (192,)
    torch.save({"lin0.model.1.weight": torch.zeros(1, 3, 1, 1)}, tmp_path / "vgg.pth")
    with pytest.raises(WeightsError, match="64 channels"):
        lpips_heads({**members, "vgg.pth": (tmp_path / "vgg.pth").read_bytes()})


@pytest.fixture(scope="module")
def inception() -> InceptionResnetV1:
    torch.manual_seed(0)
    return InceptionResnetV1().eval().requires_grad_(False)


def test_inception_has_facenets_names_and_size(inception: InceptionResnetV1) -> None:
    state = inception.state_dict()
    assert sum(p.numel() for p in inception.parameters()) == 23_482_624
    shapes = {
        "conv2d_1a.conv.weight": (32, 3, 3, 3),
        "repeat_1.4.branch2.2.bn.running_var": (32,),
        "mixed_6a.branch1.2.conv.weight": (256, 192, 3, 3),
        "repeat_2.9.branch1.1.conv.weight": (128, 128, 1, 7),
        "mixed_7a.branch2.2.conv.weight": (256, 256, 3, 3),
        "repeat_3.0.conv2d.bias": (1792,),
        "block8.branch1.2.conv.weight": (192, 192, 3, 1),
        "last_linear.weight": (512, 1792),
        "last_bn.weight": (512,),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


def test_inception_takes_the_classifier_away_and_refuses_others(inception: InceptionResnetV1) -> None:
    state = inception.state_dict()
    kept = without_head({**state, "logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)})
    assert set(kept) == set(state)
    for change in ({"extra": torch.zeros(1)}, {"last_bn.weight": torch.zeros(3)}):
        with pytest.raises(WeightsError, match="InceptionResnetV1"):
            without_head({**state, **change})


def test_identity_networks_look_at_the_face_and_have_gradients(inception: InceptionResnetV1) -> None:
    picture = (torch.rand(1, 3, 256, 256) * 255).requires_grad_()
    vector = inception.describe(picture)
    assert vector.shape == (1, 512) and torch.allclose(vector.norm(dim=1), torch.ones(1), atol=1e-5)
    vector[0, 0].backward()
    assert picture.grad is not None
    seen = picture.grad.abs().sum((0, 1)) > 0
    assert not seen[:40].any() and not seen[:, :50].any() and bool(seen[60:220, 70:190].any())
    dlib = FaceNetwork()
    for parameter in dlib.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    with torch.no_grad():
        assert torch.equal(dlib.describe(picture), dlib(aligned_chips(picture)))


@pytest.mark.parametrize("load", [load_identity, load_perceptual])
def test_unknown_and_missing_networks_are_explained(tmp_path: Path, load: Callable[..., object]) -> None:
    store, device = WeightStore(tmp_path), torch.device("cpu")
    with pytest.raises(UsageError, match="abacus"):
        load("abacus", device, store)
    name = "inception-resnet-vggface2" if load is load_identity else "lpips-vgg"
    with pytest.raises(WeightsError, match="weights import FILE --as"):
        load(name, device, store)
