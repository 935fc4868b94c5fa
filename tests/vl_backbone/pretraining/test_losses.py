"""Contrastive losses and masking: the released code's numbers, and properties."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.pretraining.contrastive import (
    contrastive_loss,
    gather_features,
    hard_negative_loss,
    nce_loss,
    triplet_loss,
)
from vl_backbone.pretraining.masking import (
    IGNORE,
    MaskingConfig,
    SpecialTokens,
    mask_tokens,
    masked_correct,
    masked_language_loss,
)

GOLDEN = load_file(Path(__file__).parent / "data" / "losses.safetensors")
VIDEO, TEXT = GOLDEN["video"], GOLDEN["text"]
TOKENS = SpecialTokens(mask=4, special=(0, 1, 2, 3, 4), vocabulary=200)


@pytest.mark.parametrize(("name", "loss"), [("nce", nce_loss), ("hard_negative", hard_negative_loss)])
def test_loss_equals_the_released_one(name: str, loss: type(nce_loss)) -> None:
    torch.testing.assert_close(loss(VIDEO, TEXT), GOLDEN[name], rtol=2e-6, atol=0)


def test_triplet_loss_equals_the_released_one_at_any_length_of_the_vectors() -> None:
    torch.testing.assert_close(triplet_loss(VIDEO, TEXT), GOLDEN["triplet"], rtol=2e-6, atol=0)
    torch.testing.assert_close(triplet_loss(3 * VIDEO, 0.5 * TEXT), GOLDEN["triplet"], rtol=1e-5, atol=0)
    assert triplet_loss(VIDEO, TEXT, hardest_only=False) > GOLDEN["triplet"]


def test_pretraining_loss_is_half_of_both_directions() -> None:
    scores = TEXT @ VIDEO.T / 0.05
    rows = -F.log_softmax(scores, dim=1).diagonal().mean()
    columns = -F.log_softmax(scores, dim=0).diagonal().mean()
    torch.testing.assert_close(contrastive_loss(VIDEO, TEXT), 0.5 * (rows + columns))


def test_hard_negatives_are_at_most_those_there_are() -> None:
    assert hard_negative_loss(VIDEO[:2], TEXT[:2], negatives=3).isfinite()
    with pytest.raises(InputError, match="two or more"):
        hard_negative_loss(VIDEO[:1], TEXT[:1])


def test_losses_are_computed_in_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(contrastive_loss(VIDEO, TEXT), contrastive_loss(VIDEO, TEXT))
        low = contrastive_loss(VIDEO, TEXT)
    assert torch.equal(low, contrastive_loss(VIDEO, TEXT))


def test_gathering_alone_changes_nothing() -> None:
    assert gather_features(VIDEO) is VIDEO


def test_masking_shares() -> None:
    ids = torch.randint(5, 200, (400, 500), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, 400:] = 1, 0
    shown, labels = mask_tokens(ids, TOKENS, torch.Generator().manual_seed(1))
    asked = labels != IGNORE
    assert torch.equal(labels[asked], ids[asked])
    assert torch.equal(shown[~asked], ids[~asked])
    assert not asked[:, 0].any() and not asked[:, 400:].any()
    share = asked[:, 1:400].float().mean().item()
    assert share == pytest.approx(0.15, abs=0.005)
    assert (shown[asked] == 4).float().mean().item() == pytest.approx(0.8 + 0.1 / 200, abs=0.01)
    assert (shown[asked] == ids[asked]).float().mean().item() == pytest.approx(0.1 + 0.1 / 200, abs=0.01)
    others = shown[asked & (shown != 4) & (shown != ids)]
    assert (others < 5).any(), "random words come from the whole vocabulary"


def test_masking_is_repeatable() -> None:
    ids = torch.randint(5, 200, (4, 30))
    first = mask_tokens(ids, TOKENS, torch.Generator().manual_seed(7))
    again = mask_tokens(ids, TOKENS, torch.Generator().manual_seed(7))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])


def test_masked_language_loss_is_the_mean_over_asked_words() -> None:
    logits = torch.randn(2, 5, 11, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([[IGNORE, 3, IGNORE, 10, 0], [IGNORE] * 5])
    total, count = masked_language_loss(logits, labels)
    assert count == 3
    torch.testing.assert_close(total / count, F.cross_entropy(logits[0, [1, 3, 4]], labels[0, [1, 3, 4]]))
    perfect = F.one_hot(labels.clamp(min=0), 11).float()
    assert masked_correct(perfect, labels) == 3
    assert masked_language_loss(logits, torch.full_like(labels, IGNORE))[0] == 0


def test_bad_masking_settings_are_refused() -> None:
    for bad in ({"probability": 0.0}, {"masked": 0.9, "random": 0.2}, {"random": -0.1}):
        with pytest.raises(UsageError):
            MaskingConfig(**bad)
