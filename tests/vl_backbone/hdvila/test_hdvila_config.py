"""The config takes the official JSON as it is and explains what is wrong with any other."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.vl_backbone.hdvila.tiny_hdvila import tiny_config
from vl_backbone import build_hdvila
from vl_backbone.common.errors import InputError
from vl_backbone.hdvila.config import HDVILAConfig


def test_official_fields_that_the_network_does_not_read_are_ignored() -> None:
    config = HDVILAConfig.from_dict({**tiny_config(), "something_new": [1]})
    assert (config.hidden_size, config.text_layers, config.resnet_base_channels) == (64, 2, 8)
    assert HDVILAConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("hidden_size", 66, "not a multiple of num_attention_heads"),
        ("hidden_size", "64", "whole number"),
        ("hidden_size", True, "whole number"),
        ("num_hidden_layers", 5, "odd"),
        ("num_text_layers", 4, "leaves no multimodal layer"),
        ("vocab_size", 0, "at least 1"),
        ("hidden_act", "relu", "gelu"),
        ("hidden_dropout_prob", 1.0, r"\[0, 1\)"),
        ("layer_norm_eps", -1.0, "layer_norm_eps"),
        ("score_agg_func", "sum", "'lse', 'mean', 'max'"),
        ("bert_mean", 2, "bert_mean"),
        ("trunk", "vgg", "resnet50"),
        ("resnet_depth", 101, "resnet_depth"),
        ("resnet_base_channels", 64, "backbone_channels"),
        ("pad_token_id", 199, "pad_token_id"),
        ("timesformer_heads", 3, "timesformer_heads"),
        ("timesformer_grid", [10], "timesformer_grid"),
    ],
)
def test_wrong_fields_are_named(field: str, value: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        HDVILAConfig.from_dict({**tiny_config(), field: value})


def test_stage_and_answers_are_checked() -> None:
    with pytest.raises(InputError, match="stages 1 and 2"):
        build_hdvila(tiny_config(), 3)
    with pytest.raises(InputError, match="answers"):
        build_hdvila(tiny_config(), 1, answers=4)
    with pytest.raises(InputError, match="mapping"):
        build_hdvila([1], 1)  # type: ignore[arg-type]


def test_initial_weights() -> None:
    """As the original starts: time silent, decoder a copy of the word pieces, the padding word like any other."""
    model = build_hdvila({**tiny_config(), "vocab_size": 2000}, 2)
    words = model.transformer.bert.embeddings.word_embeddings.weight
    assert words.std().item() == pytest.approx(0.02, rel=0.02) and words[0].abs().sum() > 0
    assert torch.equal(model.transformer.cls.predictions.decoder.weight, words)
    assert model.transformer.cls.predictions.decoder.weight is not words
    for block in model.timesformer.blocks:
        assert not block.get_submodule("temporal_fc").get_parameter("weight").any()
    assert not model.timesformer.time_embed.any() and model.timesformer.pos_embed.any()
