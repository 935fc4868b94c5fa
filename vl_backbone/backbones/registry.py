"""`load_backbone`: from a name to a ready, frozen Backbone; files and devices stop here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertTokenizer

from vl_backbone.backbones.hdvila_mini import HDVILAMini
from vl_backbone.backbones.hdvila_official import HDVILAOfficial, load_converted
from vl_backbone.backbones.imagenet_minilm import STAGE_BLOCK, ImagenetMiniLM
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.common.registry import Registry
from vl_backbone.hdvila.mini import HR_SIZE, LR_SIZE
from vl_backbone.hdvila.mini_weights import MINI_FILE, load_mini
from vl_backbone.hdvila.trunks import LITE0_BLOCK_16, LITE0_BLOCK_32
from vl_backbone.networks.efficientnet import EfficientNetLite0, without_classifier
from vl_backbone.networks.efficientnet_engine import CompiledPyramid
from vl_backbone.weights import WeightStore

if TYPE_CHECKING:
    from transformers import BertModel

MINILM_FILES = ("minilm", "minilm-config", "minilm-tokenizer")


def load_backbone(name: str, device: str = "cpu", store: WeightStore | None = None) -> Backbone:
    """The backbone of that name, frozen, on that device.

    Raises WeightsError when one of its files is missing or corrupt, InputError for an unknown name.
    """
    return BACKBONES.load(name, torch.device(device), store or WeightStore())


def register_backbone(name: str, loader: Callable[[torch.device, WeightStore], Backbone]) -> None:
    """Makes a backbone known by name to `load_backbone` and to presets; InputError when the name is taken."""
    BACKBONES.register(name, loader)


def _load_hdvila_mini(device: torch.device, store: WeightStore) -> Backbone:
    tokenizer = _minilm_tokenizer(store)
    vision = load_efficientnet(store)
    weights = {n: store.sha256(n) for n in ("efficientnet-lite0", *MINILM_FILES)}
    model, weights[MINI_FILE.name] = load_mini(vision.state_dict(), minilm_state(store))
    if device.type != "cpu":
        return HDVILAMini(model, tokenizer, weights, device)
    high = CompiledPyramid(vision, HR_SIZE, LITE0_BLOCK_32)
    low = CompiledPyramid(vision, LR_SIZE, LITE0_BLOCK_16)
    return HDVILAMini(model, tokenizer, weights, device, high, low)


def _load_hdvila_official(device: torch.device, store: WeightStore) -> Backbone:
    # MiniLM's vocabulary is that of BERT-large uncased, which HD-VILA reads.
    tokenizer = _minilm_tokenizer(store)
    official = load_converted(store.path(HDVILAOfficial.name))
    used = {n: store.sha256(n) for n in (HDVILAOfficial.name, "minilm-tokenizer")}
    return HDVILAOfficial(official, tokenizer, used, device)


def _load_imagenet_minilm(device: torch.device, store: WeightStore) -> Backbone:
    tokenizer = _minilm_tokenizer(store)
    vision = load_efficientnet(store)
    weights = {n: store.sha256(n) for n in ("efficientnet-lite0", *MINILM_FILES)}
    pyramid = CompiledPyramid(vision, ImagenetMiniLM.image_size, STAGE_BLOCK) if device.type == "cpu" else None
    return ImagenetMiniLM(vision, load_minilm(store), tokenizer, weights, device, pyramid)


def _minilm_tokenizer(store: WeightStore) -> BertTokenizer:
    tokenizer: BertTokenizer = BertTokenizer.from_pretrained(minilm_folder(store), local_files_only=True)
    return tokenizer


BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    "vilaface.backbones",
    {
        HDVILAMini.name: _load_hdvila_mini,
        HDVILAOfficial.name: _load_hdvila_official,
        ImagenetMiniLM.name: _load_imagenet_minilm,
    },
)


def load_efficientnet(store: WeightStore | None = None) -> EfficientNetLite0:
    """The frozen ImageNet EfficientNet-lite0 pyramid, on the CPU; WeightsError when its file is missing."""
    with torch.device("meta"):
        network = EfficientNetLite0()
    state = load_file((store or WeightStore()).path("efficientnet-lite0"))
    network.load_state_dict(without_classifier(state), assign=True)
    return network.eval().requires_grad_(False)


def minilm_state(store: WeightStore | None = None) -> dict[str, Tensor]:
    """The state dict of all-MiniLM-L6-v2, mapped from its file; WeightsError when that is missing."""
    return load_file((store or WeightStore()).path("minilm"))


def load_minilm(store: WeightStore | None = None) -> BertModel:
    """The frozen all-MiniLM-L6-v2 sentence encoder, on the CPU; WeightsError when a file is missing."""
    # It takes seconds and 100 MB to import, and HD-VILA-mini brings its own text layers.
    from transformers import BertModel

    folder = minilm_folder(store or WeightStore())
    model: BertModel = BertModel.from_pretrained(folder, local_files_only=True)
    model.eval().requires_grad_(False)
    return model


def minilm_folder(store: WeightStore) -> Path:
    """The folder with MiniLM's weights, config and vocabulary; WeightsError when one is missing."""
    folders = {store.path(n).parent for n in MINILM_FILES}
    return folders.pop()
