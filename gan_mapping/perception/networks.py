"""The networks that judge faces, by the names presets use for them: who is it, and does it look the same?"""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gan_mapping.losses.reconstruction import EfficientNetPerceptual
from gan_mapping.perception.face_network import FaceNetwork
from gan_mapping.perception.inception_resnet import InceptionResnetV1, without_head
from gan_mapping.perception.lpips import LPIPS, trunk_state
from vl_backbone.backbones.registry import load_efficientnet
from vl_backbone.common.errors import UsageError
from vl_backbone.weights import WeightStore

Network = TypeVar("Network", bound=nn.Module)

LPIPS_HEADS = "lpips-heads"
LPIPS_TRUNKS = {"vgg": "vgg16-imagenet", "alex": "alexnet-imagenet"}


class IdentityNetwork(Protocol):
    """Says who somebody is."""

    def describe(self, images: Tensor) -> Tensor:
        """images: [B, 3, R, R] FFHQ-aligned RGB in 0..255 -> vectors [B, E]; near means the same person."""
        ...


class PerceptualNetwork(Protocol):
    """Says what a picture looks like."""

    def features(self, images: Tensor) -> list[Tensor]:
        """images: [B, 3, H, W] RGB in 0..255 -> maps for `reconstruction.perceptual_distance`."""
        ...


def load_identity(name: str, device: torch.device, store: WeightStore) -> tuple[IdentityNetwork, dict[str, str]]:
    """The identity network of that name, frozen, and the hashes of its files.

    Raises WeightsError when a file is missing or wrong, UsageError for an unknown name.
    """
    if name == "dlib-face-resnet":
        dlib = FaceNetwork()
        dlib.load_state_dict(load_file(store.path(name)))
        return _frozen(dlib, device), _hashes([name], store)
    if name == "inception-resnet-vggface2":
        inception = InceptionResnetV1()
        inception.load_state_dict(without_head(load_file(store.path(name))))
        return _frozen(inception, device), _hashes([name], store)
    raise UsageError(
        f"Unknown identity network {name!r}; this version knows dlib-face-resnet and inception-resnet-vggface2."
    )


def load_perceptual(name: str, device: torch.device, store: WeightStore) -> tuple[PerceptualNetwork, dict[str, str]]:
    """The perceptual network of that name ("efficientnet-lite0", "lpips-vgg", "lpips-alex"); else as above."""
    if name == "efficientnet-lite0":
        return _frozen(EfficientNetPerceptual(load_efficientnet(store)), device), _hashes([name], store)
    net = name.removeprefix("lpips-")
    if net == name or net not in LPIPS_TRUNKS:
        raise UsageError(
            f"Unknown perceptual network {name!r}; this version knows efficientnet-lite0, lpips-vgg and lpips-alex."
        )
    trunk = trunk_state(net, load_file(store.path(LPIPS_TRUNKS[net])))
    heads = {
        key.removeprefix(f"{net}."): tensor
        for key, tensor in load_file(store.path(LPIPS_HEADS)).items()
        if key.startswith(f"{net}.")
    }
    return _frozen(LPIPS(net).load(trunk, heads), device), _hashes([LPIPS_TRUNKS[net], LPIPS_HEADS], store)


def _hashes(names: list[str], store: WeightStore) -> dict[str, str]:
    return {name: store.sha256(name) for name in names}


def _frozen(network: Network, device: torch.device) -> Network:
    return network.eval().requires_grad_(False).to(device)
