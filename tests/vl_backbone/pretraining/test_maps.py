"""Pre-training on stored trunk maps is pre-training on frames; the weight file of HD-VILA-mini comes back whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from vl_backbone.common.errors import UsageError, WeightsError
from vl_backbone.hdvila.mini import initialise_mini, mini_config
from vl_backbone.hdvila.mini_weights import load_mini, save_mini, trained_names
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.networks.efficientnet import EfficientNetLite0
from vl_backbone.pretraining.contrastive import PRETRAINING_TEMPERATURE, contrastive_loss
from vl_backbone.pretraining.maps import MapCollator, MapContrastive, MapMaskedWords, MapSample, encode_maps
from vl_backbone.pretraining.masking import MaskingConfig, SpecialTokens
from vl_backbone.pretraining.objectives import ContrastiveObjective, MaskedWordsObjective
from vl_backbone.training.data import Drawn

SIZES = {"hidden_size": 48, "intermediate_size": 64, "vocab_size": 99, "num_hidden_layers": 3, "num_text_layers": 2}
CAPTIONS = ("3 4 5", "6 7", "8 9 10 11")


class Digits:
    """A tokenizer for the tests: every word is its number; 1 and 2 frame a text."""

    special_tokens = SpecialTokens(mask=98, special=(0, 1, 2, 98), vocabulary=99)

    def __call__(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [[1, *map(int, text.split()), 2] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        return ids, (ids != 0).long()


def bases() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    bert = BertConfig(vocab_size=99, hidden_size=48, num_hidden_layers=2, num_attention_heads=12, intermediate_size=64)
    return EfficientNetLite0().state_dict(), BertModel(bert).state_dict()


def tiny(stage: int) -> HDVILA:
    torch.manual_seed(1)
    model = initialise_mini(*bases(), stage, mini_config(**SIZES))
    for name, parameter in model.timesformer.named_parameters():
        if not name.startswith("norm."):  # never applied, never trained
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def frames() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(2)
    return torch.rand(3, 1, 3, 128, 128) * 255, torch.rand(3, 1, 2, 3, 32, 32) * 255


def stored(model: HDVILA, frames: tuple[torch.Tensor, torch.Tensor]) -> list[Drawn]:
    with torch.no_grad():
        maps = model.trunk_maps(frames[0][:, 0], frames[1][:, 0])
    assert maps.high is not None and maps.middle is not None and maps.low is not None
    arrays = (maps.high.numpy(), maps.middle.numpy(), maps.low.numpy())
    return [Drawn(MapSample(*(a[i] for a in arrays), CAPTIONS), 7 + i) for i in range(3)]


def test_stored_maps_train_like_frames(frames: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = tiny(1)
    batch = MapCollator(Digits())(stored(model, frames))
    seen = {"hr": frames[0], "lr": frames[1], **{k: batch[k] for k in ("input_ids", "attention_mask")}}
    whole = ContrastiveObjective(model).eval()
    by_maps = MapContrastive(model, ("both",)).eval()
    assert torch.allclose(by_maps(batch)["loss"], whole(seen)["loss"], atol=1e-5)
    by_maps(batch)["loss"].backward()
    assert all(p.grad is None for p in (*model.cnn.parameters(), *model.cnn_low.parameters()))
    assert model.grid_encoder[0].weight.grad.abs().max() > 0


def test_every_view_is_what_the_encoder_gives(frames: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = tiny(1)
    batch = MapCollator(Digits())(stored(model, frames))
    with torch.no_grad():
        for view, (hr, lr) in {"both": frames, "hr": (frames[0], None), "lr": (None, frames[1])}.items():
            assert torch.allclose(encode_maps(model, batch, view).grid, model.encode_video(hr, lr).grid, atol=1e-5)
    with pytest.raises(UsageError, match="lr"):
        encode_maps(model, {"high": batch["high"]}, "lr")


def test_masked_words_on_maps_equal_those_on_frames(frames: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = tiny(2)
    batch = MapCollator(Digits(), MaskingConfig(probability=0.5))(stored(model, frames))
    seen = {"hr": frames[0], "lr": frames[1], **{k: batch[k] for k in ("input_ids", "attention_mask", "labels")}}
    expected = MaskedWordsObjective(model).eval()(seen)
    found = MapMaskedWords(model, "both").eval()(batch)
    assert torch.allclose(found["loss"], expected["loss"], atol=1e-4)
    assert found["accuracy"] == expected["accuracy"]
    assert not model.transformer.cls.predictions.decoder.weight.requires_grad


def test_captions_are_paragraphs_that_depend_on_the_seed_alone(frames: tuple[torch.Tensor, torch.Tensor]) -> None:
    drawn = stored(tiny(1), frames)
    collate = MapCollator(Digits())
    assert torch.equal(collate(drawn)["input_ids"], collate(drawn)["input_ids"])
    lengths = {int(collate([Drawn(drawn[0].sample, seed)])["attention_mask"].sum()) for seed in range(30)}
    assert len(lengths) > 3


def test_a_clip_played_backwards_is_a_pair_of_its_own(frames: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = tiny(1).eval()
    drawn = stored(model, frames)
    clip = dataclasses.replace(drawn[1].sample, backwards=("20 21", "22"), telling=("6 7", "20 21"))
    drawn[1] = Drawn(clip, 8)
    collate = MapCollator(Digits(), backwards=True)
    for seed in range(20):
        batch = collate([drawn[0], Drawn(clip, seed)])
        assert batch["backwards"].tolist() == [1] and len(batch["input_ids"]) == 3
        words = [set(row.tolist()) for row in batch["input_ids"]]
        assert {6, 7} <= words[1] and {20, 21} <= words[2]  # both tell the direction, whatever else is drawn
    batch = collate(drawn)
    objective = MapContrastive(model, ("both", "lr", "hr")).eval()
    with torch.no_grad():
        found = objective(batch)["loss"]
        text = model.encode_text(batch["input_ids"], batch["attention_mask"]).embedding
        turned = frames[1][1:2].flip(2)
        videos = {
            "both": (model.encode_video(*frames), model.encode_video(frames[0][1:2], turned)),
            "lr": (model.encode_video(None, frames[1]), model.encode_video(None, turned)),
        }
        losses = [contrastive_loss(torch.cat([v.embedding for v in pair]), text) for pair in videos.values()]
        losses.append(contrastive_loss(model.encode_video(frames[0]).embedding, text[:3]))
    assert torch.allclose(found, torch.stack(losses).mean(), atol=1e-4)
    assert "backwards" not in MapCollator(Digits())(drawn)


def test_a_statement_competes_with_its_opposite(frames: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = tiny(1).eval()
    drawn = stored(model, frames)
    drawn[2] = Drawn(dataclasses.replace(drawn[2].sample, opposites=(("30 31", "40"),)), 9)
    batch = MapCollator(Digits(), opposites=True)(drawn)
    assert batch["opposite_rows"].tolist() == [2] and len(batch["opposite_ids"]) == 2
    plain = {name: value for name, value in batch.items() if not name.startswith("opposite")}
    objective = MapContrastive(model, ("both",)).eval()
    with torch.no_grad():
        pair = model.encode_text(*Digits()(["30 31", "40"])).embedding
        scores = encode_maps(model, batch, "both").embedding[2] @ pair.T / PRETRAINING_TEMPERATURE
        expected = (objective(plain)["loss"] - scores.log_softmax(0)[0]) / 2
        found = objective(batch)
    assert torch.allclose(found["loss"], expected, atol=1e-4)
    assert found["opposites_both"] == float(scores[0] > scores[1])


def test_frozen_text_layers_get_no_gradient() -> None:
    model = tiny(1)
    MapContrastive(model, ("hr",), frozen_text_layers=1)
    layers = model.transformer.bert.encoder.layer
    assert not any(p.requires_grad for p in layers[0].parameters())
    assert all(p.requires_grad for p in layers[1].parameters())


def test_weight_file_holds_what_was_trained_and_comes_back(tmp_path: Path) -> None:
    model = tiny(2)
    with torch.no_grad():
        for name in trained_names(model, 1):
            model.state_dict()[name].copy_(torch.randn(model.state_dict()[name].shape).half())
    path = tmp_path / "mini.safetensors"
    save_mini(model, path, frozen_text_layers=1, provenance={"clips": 3})
    loaded, digest = load_mini(*bases(), path)
    assert len(digest) == 64
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert not any(name.startswith(("cnn", "transformer.bert.embeddings")) for name in trained_names(model, 1))
    assert path.stat().st_size < sum(t.numel() for t in model.state_dict().values())


def test_damaged_weight_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        load_mini(*bases(), tmp_path / "none.safetensors")
    path = tmp_path / "mini.safetensors"
    save_mini(tiny(2), path, frozen_text_layers=1, provenance={})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        load_mini(*bases(), path)
