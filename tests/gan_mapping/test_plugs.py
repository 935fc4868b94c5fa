"""A backbone or generator of somebody else's is loaded by its name, without a change of our files."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_mapping.generators.registry import GENERATORS, load_generator, register_generator
from gan_mapping.mappers.presets import load_preset
from tests.standin import StandinGenerator
from vl_backbone.backbones.registry import BACKBONES, load_backbone, register_backbone
from vl_backbone.common.errors import InputError
from vl_backbone.weights import WeightStore


class MyBackbone:
    """The least that is needed to be found."""

    def __init__(self, device: torch.device) -> None:
        self.device = device


def load_mine(device: torch.device, store: WeightStore) -> Any:
    return MyBackbone(device)


def load_other(device: torch.device, store: WeightStore) -> Any:
    return StandinGenerator()


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (BACKBONES, GENERATORS):
        monkeypatch.setattr(registry, "_loaders", dict(registry._loaders))


def test_registered_parts_are_loaded_by_name() -> None:
    register_backbone("mine", load_mine)
    register_generator("other", load_other)
    assert isinstance(load_backbone("mine"), MyBackbone) and isinstance(load_generator("other"), StandinGenerator)
    register_backbone("mine", load_mine)  # once more is no harm
    with pytest.raises(InputError, match="already"):
        register_backbone("mine", load_other)
    with pytest.raises(InputError, match="already"):
        register_generator("mobile-stylegan-ffhq", load_other)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(InputError, match="known are hdvila-mini, hdvila-official, imagenet-minilm"):
        load_backbone("nobody")


def test_installed_packages_add_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint("plug", f"{__name__}:load_mine", "vilaface.backbones")
    everything = importlib.metadata.EntryPoints([point])
    monkeypatch.setattr("vl_backbone.common.registry.entry_points", lambda group: everything.select(group=group))
    assert isinstance(load_backbone("plug"), MyBackbone) and "plug" in BACKBONES.names()


def test_a_preset_in_a_file_names_them(tmp_path: Path) -> None:
    fields = {"name": "mine", "backbone": "mine", "generator": "other", "mapper": "mine.safetensors"}
    fields |= {"identity": "dlib-face-resnet", "perceptual": "efficientnet-lite0"}
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    (tmp_path / "mine.yaml").write_text(f"{text}refine_steps: 4\nparts: [minilm]\n", encoding="utf-8")
    preset = load_preset(str(tmp_path / "mine.yaml"))
    assert (preset.backbone, preset.generator, preset.refine_steps) == ("mine", "other", 4)
