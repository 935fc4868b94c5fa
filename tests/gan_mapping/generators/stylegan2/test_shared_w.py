"""W is shared: the mini mappers drive a StyleGAN2 whose mapping network is the same, and no other."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gan_mapping.generators.mobile_stylegan import NUM_WS, Mapping
from gan_mapping.generators.protocol import Generator
from gan_mapping.generators.readers import GeneratorFile
from gan_mapping.generators.readers.generator_file import expected_shapes
from gan_mapping.generators.registry import MobileStyleGANGenerator
from gan_mapping.generators.stylegan2.config import StyleGAN2Config
from gan_mapping.mappers.files import WEIGHTS_DIR, Mappers, load_mappers
from gan_mapping.mappers.presets import load_preset
from gan_mapping.mappers.transfer import adapt_mappers, compare_mapping, corresponding_rows, to_stylegan2_rows
from vl_backbone.common.errors import WeightsError


def twin(mobile: Mapping, w_dim: int = 512) -> GeneratorFile:
    """A thin 1024 generator whose mapping network is the given one, with the gains not yet folded in."""
    config = StyleGAN2Config(512, 0, w_dim, 1024, (2,) * 9, layer_features=512)
    tensors = {key: torch.zeros(shape) for key, shape in expected_shapes(config).items()}
    for i, layer in enumerate(mobile.layers):
        if w_dim == 512:
            tensors[f"mapping.fc{i}.weight"] = layer.weight.detach() * (math.sqrt(512) / 0.01)
            tensors[f"mapping.fc{i}.bias"] = layer.bias.detach() / 0.01
    return GeneratorFile(config, tensors, "test")


@pytest.fixture(scope="module")
def mobile(generator: Generator) -> Mapping:
    assert isinstance(generator, MobileStyleGANGenerator)
    return generator.network.mapping


@pytest.fixture(scope="module")
def mappers() -> Mappers:
    return load_mappers(WEIGHTS_DIR / load_preset("mini").mapper)[0]


def test_rows_answer_to_each_other_by_resolution() -> None:
    rows = corresponding_rows(18)
    assert rows[0] == (0,) and rows[1] == (1, 2) and rows[2] == (3,)
    assert rows[13] == (19, 20) and rows[14] == (21,)
    assert rows[15:] == [(22,)] * 3
    assert corresponding_rows(10)[9] == (13, 14)
    latents = torch.arange(float(NUM_WS))[None, :, None].expand(2, -1, 4)
    carried = to_stylegan2_rows(latents, 18)
    assert carried.shape == (2, 18, 4) and carried[0, 1, 0] == 1.5 and carried[1, 17, 3] == 22
    same = torch.randn(3, 1, 4).expand(-1, NUM_WS, -1)
    assert torch.equal(to_stylegan2_rows(same, 18), same[:, :1].expand(-1, 18, -1))


def test_the_same_mapping_network_is_recognised(mobile: Mapping) -> None:
    comparison = compare_mapping(twin(mobile).network(), mobile)
    assert comparison.shared and comparison.difference is not None and comparison.difference < 1e-4


def test_another_one_is_not(mobile: Mapping) -> None:
    other = twin(mobile)
    other.tensors["mapping.fc3.bias"] = other.tensors["mapping.fc3.bias"] + 1.0
    comparison = compare_mapping(other.network(), mobile)
    assert not comparison.shared and "differs" in comparison.reason
    narrow = compare_mapping(twin(mobile, w_dim=64).network(), mobile)
    assert not narrow.shared and narrow.difference is None and "64" in narrow.reason


def test_mappers_are_carried_over_or_refused_with_the_reason(mobile: Mapping, mappers: Mappers) -> None:
    network = twin(mobile).network()
    carried = adapt_mappers(mappers, network, "mine", mobile)
    assert carried.generator == "mine" and carried.offset.directions.shape[1:] == (18, 512)
    # One w in all rows: scores and intents are those of the original, and so is the mean offset of a coarse row.
    w = mobile(torch.randn(1, 512))
    intents = torch.zeros(1, len(mappers.attributes))
    intents[0, mappers.attributes.index("glasses")] = 1.0
    wide, narrow = w[:, None].expand(-1, 23, -1), w[:, None].expand(-1, 18, -1)
    assert torch.allclose(carried.offset.scores(narrow), mappers.offset.scores(wide), atol=1e-4)
    before, after = mappers.offset(wide, intents), carried.offset(narrow, intents)
    assert torch.allclose(after[0, 0], before[0, 0]) and torch.allclose(after[0, 1], before[0, 1:3].mean(0), atol=1e-6)
    assert mappers.offset.directions.shape[1] == NUM_WS

    other = twin(mobile)
    other.tensors["mapping.fc0.bias"] += 1.0
    with pytest.raises(WeightsError, match="mapping network is another one"):
        adapt_mappers(mappers, other.network(), "mine", mobile)
    with pytest.raises(WeightsError, match="were trained for"):
        adapt_mappers(replace(mappers, generator="third"), network, "mine", mobile)
