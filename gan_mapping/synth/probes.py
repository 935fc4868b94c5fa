"""What is true of a face that nobody labelled: linear probes of facts on w, said only with a margin.

Fitted on the labels of seeds 0-1599 alone; seeds 1600-1999 measure them. No picture is needed: a probe reads w.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fdvd.attributes.table import DATA_DIR, HELD_OUT_SEEDS, parse_labels
from fdvd.language.captions.facts import FACTS, consistent, facts_of
from gan_mapping.evaluation.measures import area_under_curve
from gan_mapping.generators.protocol import Generator
from gan_mapping.training.closed_form.attributes import fit_directions, fit_logistic, may_follow
from gan_mapping.training.rendered_set import FaceSeed, latents_of

PSI = 0.75  # of the labelled faces
PENALTY = 0.06
FOLDS = 5
# Of what is said of a fact on unseen folds, this much must be right: a caption says about three facts.
PRECISION = 0.98
FEWEST = 12  # positives that a probe is fitted on, and right answers behind its threshold

# Nearly always true and of no use in a caption; what is wrong about them is wrong in many captions.
UNSAID = frozenset({"no_makeup", "no_hat"})


@dataclass(frozen=True)
class Axis:
    """A movement in w: weight [w_dim] and bias read where a face is, step [w_dim] moves that reading by 1.

    The reading is 0 for the average face without, 1 for the average face with (pose: -1 left, 0 front, 1 right).
    """

    weight: Tensor
    bias: float
    step: Tensor

    def read(self, w: Tensor) -> float:
        """w [w_dim] -> where this face is on the axis."""
        return float(w @ self.weight) + self.bias

    def place(self, w: Tensor, target: float) -> Tensor:
        """The same face, moved to `target` on the axis."""
        return w + self.step * (target - self.read(w))


@dataclass(frozen=True)
class Probes:
    """facts: the F probed facts. weight [F, w_dim], bias [F]: logits of w. threshold [F]: above it a fact is said
    (infinite where out-of-fold precision never reached `PRECISION`). auc: on the held-out seeds (nan: too rare).
    precision, share: of what is said on the held-out seeds, how much is right; how many of the truths are said.
    """

    facts: tuple[str, ...]
    weight: Tensor
    bias: Tensor
    threshold: Tensor
    auc: dict[str, float]
    precision: float
    share: float
    axes: dict[str, Axis]

    def certain(self, w: Tensor) -> frozenset[str]:
        """The facts that are certain enough to be said about the face w [w_dim]."""
        above = self.weight @ w + self.bias > self.threshold
        return consistent({fact for fact, said in zip(self.facts, above.tolist(), strict=True) if said})


def fit_fact_probes(generator: Generator) -> Probes:
    """Logistic probes of all facts common enough in the labels, and the three axes that clips move along."""
    labels = parse_labels(DATA_DIR / "labels.csv", skip_artifacts=True)
    seeds = sorted(labels)
    truths = [facts_of(labels[seed]) for seed in seeds]
    held_out = torch.tensor([seed in HELD_OUT_SEEDS for seed in seeds])
    latents = latents_of([FaceSeed(seed, PSI) for seed in seeds], generator)
    table = torch.tensor([[float(fact in truth) for fact in FACTS] for truth in truths])
    common = table[~held_out].sum(0) >= FEWEST
    facts = tuple(fact for fact, keep in zip(FACTS, common.tolist(), strict=True) if keep)
    table, w = table[:, common], latents[~held_out]
    truth = table[~held_out]
    weight, bias = _fit(w, truth)
    threshold = _thresholds(w, truth)
    threshold[[i for i, fact in enumerate(facts) if fact in UNSAID]] = torch.inf
    scores = latents[held_out] @ weight.T + bias
    tested = table[held_out] > 0.5
    auc = {fact: area_under_curve(scores[:, i], tested[:, i]) for i, fact in enumerate(facts)}
    said = scores > threshold
    right = float((said & tested).sum())
    axes = _axes(facts, weight, bias, w, truth)
    return Probes(
        facts, weight, bias, threshold, auc, right / max(1.0, float(said.sum())), right / float(tested.sum()), axes
    )


def _fit(latents: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """latents [N, w_dim], truth [N, F] in 0/1 -> weight [F, w_dim], bias [F] of logits."""
    mean = latents.mean(0)
    scale = (latents - mean).std(0).mean()
    weight, bias = fit_logistic((latents - mean) / scale, truth, torch.ones_like(truth), PENALTY)
    weight = weight / scale
    return weight.T.contiguous(), bias - mean @ weight


def _thresholds(latents: Tensor, truth: Tensor) -> Tensor:
    """The lowest logit above which predictions on unseen folds are right often enough -> [F]."""
    scores = torch.empty_like(truth)
    fold = torch.arange(len(latents)) % FOLDS
    for k in range(FOLDS):
        weight, bias = _fit(latents[fold != k], truth[fold != k])
        scores[fold == k] = latents[fold == k] @ weight.T + bias
    thresholds = torch.full((truth.shape[1],), torch.inf)
    for i in range(truth.shape[1]):
        ranked, order = scores[:, i].sort(descending=True)
        hits = truth[order, i].cumsum(0)
        precise = (hits / torch.arange(1, len(hits) + 1) >= PRECISION) & (hits >= FEWEST)
        if precise.any():
            thresholds[i] = ranked[int(precise.nonzero().max())]
    return thresholds


def _axes(facts: Sequence[str], weight: Tensor, bias: Tensor, latents: Tensor, truth: Tensor) -> dict[str, Axis]:
    column = {fact: i for i, fact in enumerate(facts)}
    logits = latents @ weight.T + bias

    def stretched(yes: Tensor, no: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, float]:
        values = latents @ w + b
        low, high = values[no].mean(), values[yes].mean()
        return w / (high - low), float((b - low) / (high - low))

    scale = torch.stack(
        [logits[truth[:, i] > 0.5, i].mean() - logits[truth[:, i] < 0.5, i].mean() for i in range(len(facts))]
    )
    probes = weight / scale[:, None]

    def axis(w: Tensor, b: float, follow: Collection[str]) -> Axis:
        kept = [i for i, fact in enumerate(facts) if fact not in follow]
        rows = torch.cat((w[None], probes[kept]))
        # The names only say what may follow an attribute; here that is settled by `kept`.
        step = fit_directions(rows, latents, ["axis", *(f"held {i}" for i in kept)])[0]
        return Axis(w, b, step)

    yes = truth > 0.5
    left, right = yes[:, column["look_left"]], yes[:, column["look_right"]]
    pose, shift = stretched(
        right,
        left,
        probes[column["look_right"]] - probes[column["look_left"]],
        bias[column["look_right"]] / scale[column["look_right"]]
        - bias[column["look_left"]] / scale[column["look_left"]],
    )
    smile = yes[:, column["smile"]]
    smile_axis = stretched(smile, ~smile, weight[column["smile"]], bias[column["smile"]])
    closed = yes[:, column["mouth_closed"]]
    mouth_axis = stretched(~closed, closed, -weight[column["mouth_closed"]], -bias[column["mouth_closed"]])
    teeth = {"broad_smile", "closed_smile", "mouth_open", "mouth_closed"}
    return {
        "pose": axis(2 * pose, 2 * shift - 1, {"look_left", "look_right", "frontal"}),
        "smile": axis(*smile_axis, teeth | may_follow("smile") | {"no_smile"}),
        "mouth": axis(*mouth_axis, teeth | {"frown"}),
    }
