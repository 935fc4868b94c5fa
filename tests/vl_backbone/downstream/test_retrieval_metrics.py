"""Ranks, recalls and accuracies, by hand and against a slow definition."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from vl_backbone.common.errors import InputError
from vl_backbone.downstream.answering import answer_loss
from vl_backbone.downstream.metrics import rank_of_truth, ranking, top_choice_accuracy


def test_ranks_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.3], [0.9, 0.1, 0.3], [0.2, 0.2, 0.2]])
    truth = torch.eye(3, dtype=torch.bool)
    assert rank_of_truth(scores, truth).tolist() == [1, 3, 2]
    found = ranking(scores, truth)
    assert found.r1 == pytest.approx(100 / 3) and found.r5 == 100
    assert (found.median_rank, found.mean_rank, found.queries) == (2, 2, 3)


def test_several_right_candidates_count_by_the_best() -> None:
    truth = torch.tensor([[True, False, True]])
    assert rank_of_truth(torch.tensor([[0.1, 0.5, 0.9]]), truth).tolist() == [1]
    assert rank_of_truth(torch.tensor([[0.1, 0.5, 0.2]]), truth).tolist() == [2]


def test_scoring_everything_alike_is_no_success() -> None:
    found = ranking(torch.zeros(9, 9), torch.eye(9, dtype=torch.bool))
    assert found.r1 == 0 and found.median_rank == 5
    assert top_choice_accuracy(torch.zeros(4, 5), torch.tensor([0, 1, 2, 3])) == 0


def test_broken_scores_are_refused() -> None:
    with pytest.raises(InputError, match="numbers"):
        ranking(torch.tensor([[float("nan")]]), torch.tensor([[True]]))
    with pytest.raises(InputError, match="right candidate"):
        ranking(torch.zeros(1, 2), torch.tensor([[False, False]]))


@given(queries=st.integers(1, 12), candidates=st.integers(1, 12), seed=st.integers(0, 1000))
def test_rank_is_the_place_in_the_sorted_list(queries: int, candidates: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(queries, candidates, generator=generator)
    right = torch.randint(candidates, (queries,), generator=generator)
    truth = torch.nn.functional.one_hot(right, candidates).bool()
    order = scores.argsort(dim=1, descending=True)
    places = [1 + row.tolist().index(int(r)) for row, r in zip(order, right, strict=True)]
    assert rank_of_truth(scores, truth).tolist() == places


@pytest.mark.parametrize("how", ["lse", "mean", "max"])
def test_loss_of_one_clip_equals_the_released_one(how: str) -> None:
    golden = load_file(Path(__file__).parent / "data" / "answer_losses.safetensors")
    open_ended, choice = golden["open_logits"], golden["choice_logits"][None]
    for logits, name in ((open_ended, "open"), (choice, "choice")):
        found = answer_loss(logits, golden[f"{name}_labels"], how)
        torch.testing.assert_close(found, golden[f"{name}_loss"].mean(), rtol=2e-6, atol=0)


def test_with_several_clips_one_that_shows_the_answer_is_enough() -> None:
    blank, sure = torch.zeros(1, 1, 4), torch.tensor([[[9.0, 0.0, 0.0, 0.0]]])
    answer = torch.tensor([0])
    loss = answer_loss(torch.cat([blank, sure]), answer)
    logits = torch.cat([blank, sure])
    by_hand = logits.flatten().logsumexp(0) - logits[:, 0, 0].logsumexp(0)
    torch.testing.assert_close(loss, by_hand)
    assert loss < 0.01 < answer_loss(torch.cat([blank, sure]), answer, "mean")
