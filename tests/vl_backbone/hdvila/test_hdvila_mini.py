"""HD-VILA-mini: other trunks behind the same model, and its start from two public networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from vl_backbone.common.errors import WeightsError
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.mini import initialise_mini, mini_config
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.networks.efficientnet import EfficientNetLite0

SMALL = {"hidden_size": 48, "intermediate_size": 64, "vocab_size": 99, "num_hidden_layers": 3, "num_text_layers": 2}


def lively_efficientnet() -> EfficientNetLite0:
    """Random weights whose batch norms are not the identity."""
    torch.manual_seed(0)
    network = EfficientNetLite0().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def small_bert() -> BertModel:
    return BertModel(
        BertConfig(vocab_size=99, hidden_size=48, num_hidden_layers=2, num_attention_heads=12, intermediate_size=64)
    ).eval()


@pytest.fixture(scope="module")
def parts() -> tuple[EfficientNetLite0, BertModel]:
    return lively_efficientnet(), small_bert()


def start(parts: tuple[EfficientNetLite0, BertModel], stage: int) -> HDVILA:
    return initialise_mini(parts[0].state_dict(), parts[1].state_dict(), stage, mini_config(**SMALL))


def test_shipped_size() -> None:
    config = mini_config()
    assert (config.hidden_size, config.text_layers, config.timesformer_grid) == (384, 6, (8, 8))
    with torch.device("meta"):
        assert sum(p.numel() for p in HDVILA(config, 2).parameters()) < 50e6


def test_video_half_stands_on_efficientnet(parts: tuple[EfficientNetLite0, BertModel]) -> None:
    model = start(parts, 1)
    frames = torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(1)) * 255
    with torch.no_grad():
        maps = parts[0](frames).maps
        stride_16, stride_32 = model.cnn(frames, 4)
        (low,) = model.cnn_low(frames, 3)
        video = model.encode_video(frames[None], (frames[None, :, None, :, ::4, ::4]).repeat(1, 1, 6, 1, 1, 1))
    for ours, reference in ((stride_16, maps[2]), (low, maps[2]), (stride_32[:, -192:], maps[3])):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-4)
    assert video.grid.shape == (1, 2, 2, 3, 48)


def test_text_half_is_the_sentence_encoder(parts: tuple[EfficientNetLite0, BertModel]) -> None:
    model = start(parts, 2)
    ids = torch.tensor([[1, 7, 8, 2], [1, 9, 2, 0]])
    mask = (ids > 0).long()
    with torch.no_grad():
        text = model.encode_text(ids, mask)
        reference: Tensor = parts[1](input_ids=ids, attention_mask=mask).last_hidden_state
        fused = model.fuse(model.encode_video(torch.full((2, 1, 3, 128, 128), 90.0)), text)
    torch.testing.assert_close(text.tokens[0], reference[0], rtol=0, atol=1e-5)
    mean = reference[1, :3].mean(0)
    torch.testing.assert_close(text.embedding[1], nn.functional.normalize(torch.tanh(mean), dim=0), rtol=0, atol=1e-5)
    assert fused.mlm_logits.shape == (2, 4, 99)


def test_the_given_networks_stay_untouched(parts: tuple[EfficientNetLite0, BertModel]) -> None:
    before = {name: tensor.clone() for name, tensor in parts[0].state_dict().items()}
    model = start(parts, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts[0].state_dict().items())


def test_wrong_networks_are_named(parts: tuple[EfficientNetLite0, BertModel]) -> None:
    efficientnet, bert = (part.state_dict() for part in parts)
    with pytest.raises(WeightsError, match=r"EfficientNet-lite0.*_conv_stem"):
        initialise_mini({}, bert, 1, mini_config(**SMALL))
    with pytest.raises(WeightsError, match=r"sentence encoder.*wrong shapes"):
        initialise_mini(efficientnet, bert, 1, mini_config(**SMALL, max_position_embeddings=60))
    with pytest.raises(WeightsError, match="trunk"):
        initialise_mini(efficientnet, bert, 1, HDVILAConfig())
