"""From labelled faces to edit directions: picture classifier -> scores of the whole bank -> probes -> directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fdvd.attributes.table import AttributeTable, attribute_table
from gan_mapping.training.ridge import damped, ridge

# Ridge penalty of linear readings of a latent.
PROBE_PENALTY = 0.01
FOLDS = 5


def may_follow(attribute: str, table: AttributeTable | None = None) -> frozenset[str]:
    """Names that an edit of this attribute need not hold still, itself included. Everything else must stay.

    A direction is built so that the probes of everything else do not move.
    """
    return (table or attribute_table()).may_follow(attribute)


@dataclass(frozen=True)
class Standardiser:
    """A linear view of the picture features: centred, scaled, and turned to their main axes."""

    mean: Tensor
    axes: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """[N, d] -> [N, k]."""
        return (features.float() - self.mean) @ self.axes


def fit_standardiser(features: Tensor, components: int) -> Standardiser:
    """PCA of per-feature standardised rows [N, d], through the N x N Gram matrix."""
    mean, std = features.float().mean(0), features.float().std(0) + 1e-2
    x = (features.float() - mean) / std
    values, vectors = torch.linalg.eigh(x @ x.T)
    values, vectors = values[-components:], vectors[:, -components:]
    # Centred rows span one dimension less than there are faces: the rest of the values is rounding, of either sign.
    real = values > 1e-6 * values[-1]
    values, vectors = values[real], vectors[:, real]
    axes = x.T @ (vectors / values.sqrt()) / std[:, None]
    spread = ((features.float() - mean) @ axes).std(0).mean()
    return Standardiser(mean, axes / spread)


def fit_logistic(x: Tensor, labels: Tensor, known: Tensor, penalty: float = 0.01) -> tuple[Tensor, Tensor]:
    """Independent logistic regressions. x [N, k], labels and known [N, A] (0/1) -> weights [k, A], bias [A]."""
    weight = torch.zeros(x.shape[1], labels.shape[1], requires_grad=True)
    bias = torch.zeros(labels.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=80, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x @ weight + bias, labels, reduction="none") * known
        total = (loss.sum(0) / known.sum(0)).sum() + penalty * weight.square().sum()
        total.backward()
        return total

    optimiser.step(closure)
    return weight.detach(), bias.detach()


def label_table(
    seeds: Sequence[int], labels: Mapping[int, Mapping[str, float | None]], attributes: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """-> values [N, A] in 0..1 and known [N, A] in 0/1 for those seeds; unlabelled seeds are unknown throughout.

    Words that the labels only ever confirm (arched brows, big nose, ...) are taken as absent where missing:
    wrong now and then, but a classifier needs both sides.
    """
    values = torch.zeros(len(seeds), len(attributes))
    known = torch.zeros(len(seeds), len(attributes))
    only_confirmed = {
        name
        for name in attributes
        if not any(row.get(name) == 0 for row in labels.values() if row.get(name) is not None)
    }
    for i, seed in enumerate(seeds):
        row = labels.get(seed)
        if row is None:
            continue
        for j, name in enumerate(attributes):
            value = row.get(name)
            if value is None and name not in only_confirmed:
                continue
            values[i, j] = value or 0.0
            known[i, j] = 1.0
    return values, known


def fit_readings(
    features: Tensor, values: Tensor, known: Tensor, components: int, penalty: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Logistic readings of plain features [N, d] -> weight [d, A], bias [A]."""
    view = fit_standardiser(features, components)
    weight, bias = fit_logistic(view(features), (values > 0.5).float(), known, penalty)
    folded = view.axes @ weight
    return folded, bias - view.mean @ folded


def unseen_readings(features: Tensor, values: Tensor, known: Tensor, components: int, penalty: float = 0.01) -> Tensor:
    """Logits [N, A] of every face by a fit that left it out (`FOLDS` fits)."""
    fold = torch.arange(len(features)) % FOLDS
    logits = torch.empty_like(values)
    for k in range(FOLDS):
        rest = fold != k
        weight, bias = fit_readings(features[rest], values[rest], known[rest], components, penalty)
        logits[~rest] = features[~rest].float() @ weight + bias
    return logits


def fair_borders(logits: Tensor, values: Tensor, known: Tensor, selected: Tensor) -> Tensor:
    """The logit [A] above which "yes" is said as often as it is true, of `unseen_readings`.

    A logistic fit to a rare attribute (red hair: one face in thirty) hardly ever says "yes" at logit 0, not even to
    faces that have it; then no edit could pass. There, missed and false "yes" are equally many. selected [N] bool:
    faces picked for rare words, which say nothing of how rare a word is.
    """
    borders = torch.zeros(values.shape[1])
    for a in range(len(borders)):
        rows = (known[:, a] > 0) & ~selected
        share = (values[rows, a] > 0.5).float().mean()
        if 0 < share < 1:
            borders[a] = logits[rows, a].quantile(1 - share)
    return borders


def mean_answers(logits: Tensor, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Mean logits [A] of the faces labelled "no" and of those labelled "yes"."""
    yes, no = known * (values > 0.5), known * (values <= 0.5)
    return (logits * no).sum(0) / no.sum(0), (logits * yes).sum(0) / yes.sum(0)


def fit_probes(latents: Tensor, scores: Tensor, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Linear scores of a latent: latents [N, w_dim], picture scores [N, A] -> weight [A, w_dim], bias [A].

    Ridge regression shrinks; the result is stretched again so that labelled faces average 0 and 1.
    """
    mean = latents.mean(0)
    x = latents - mean
    weight = ridge(x.T @ x / len(x), x.T @ (scores - scores.mean(0)) / len(x), PROBE_PENALTY)
    low, high = mean_answers(x @ weight, values, known)
    weight = weight / (high - low)
    return weight.T.contiguous(), -(mean @ weight) - low / (high - low)


# Patches of a 512 px picture whose mean colour no edit should shift: (top, bottom, left, right), by name.
COLOUR_PATCHES: dict[str, tuple[int, int, int, int]] = {
    "top left": (0, 80, 0, 80),
    "top right": (0, 80, 432, 512),
    "left": (200, 320, 0, 48),
    "right": (200, 320, 464, 512),
    "cheeks": (270, 340, 170, 340),
}


def recolors_skin(attribute: str, table: AttributeTable | None = None) -> bool:
    """Whether what is said of this attribute may change the color of the skin."""
    row = (table or attribute_table()).get(attribute)
    return row is not None and row.recolors_skin


def patch_colours(picture: np.ndarray) -> np.ndarray:
    """uint8 [512, 512, 3] -> mean RGB of every patch, one row of len(COLOUR_PATCHES) * 3 floats."""
    return np.concatenate([picture[t:b:4, x:y:4].mean((0, 1)) for t, b, x, y in COLOUR_PATCHES.values()])


def fit_colour_probes(latents: Tensor, colours: Tensor) -> Tensor:
    """Linear readings of the patch colours, in standard deviations: [N, w_dim], [N, P] -> [P, w_dim]."""
    x, y = latents - latents.mean(0), (colours - colours.mean(0)) / colours.std(0)
    return ridge(x.T @ x / len(x), x.T @ y / len(x), PROBE_PENALTY).T.contiguous()


def fit_directions(
    probes: Tensor,
    latents: Tensor,
    attributes: Sequence[str],
    colour_probes: Tensor | None = None,
    hold: float = 15.0,
    hold_colour: float = 8.0,
    prior: float = 0.03,
    table: AttributeTable | None = None,
) -> Tensor:
    """The most likely latent step that raises one score by 1 and holds the others -> [A, w_dim].

    probes [A, w_dim], latents [N, w_dim], colour_probes [P, w_dim] of `fit_colour_probes`. Minimises
    d' C^-1 d + hold * sum_b (p_b d)^2 + hold_colour * sum_c (q_c d)^2 subject to p_a d = 1, over the attributes b
    that may not follow a and the patch colours c; C is the covariance of w (a conditional-Gaussian edit:
    InterFaceGAN's orthogonalised normals, measured in the generator's own metric). Without the colours, "red
    hair" finds it easiest to redden the whole picture.
    """
    x = latents - latents.mean(0)
    precision = torch.linalg.inv(damped(x.T @ x / len(x), prior))
    cheeks = 3 * list(COLOUR_PATCHES).index("cheeks")
    directions = torch.zeros_like(probes)
    for a, name in enumerate(attributes):
        p = probes[torch.tensor([b not in may_follow(name, table) for b in attributes])]
        cost = precision + hold * p.T @ p
        if colour_probes is not None:
            q = colour_probes[:cheeks] if recolors_skin(name, table) else colour_probes
            cost = cost + hold_colour * q.T @ q
        step = torch.linalg.solve(cost, probes[a])
        directions[a] = step / (probes[a] @ step)
    return directions
