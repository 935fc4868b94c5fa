"""The linear layers between a frozen backbone's embeddings and the w+ latents (HD-VILA, section 5.4).

Picture features -> w+ (VisionMapper), text states -> attribute intents (TextMapper), intents -> w+ offset
(OffsetMapper). The last two in a row are one linear map text -> w+ of low rank; the short stop in attribute space is
what lets the editor ask how far this face already is where the text wants it. A fourth layer, picture features ->
attribute scores (AttributeReader), answers that from pictures. A fifth (CorrectionMapper) mends a latent by what its
own drawing and the photo still differ in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class VisionMapper(nn.Module):
    """Picture features -> w+: one affine map, stored as a product of rank r (reduced-rank ridge regression)."""

    def __init__(self, features: int, rank: int, w_dim: int) -> None:
        super().__init__()
        self.down = nn.Linear(features, rank, bias=False)
        self.up = nn.Linear(rank, w_dim)

    def forward(self, features: Tensor, num_ws: int) -> Tensor:
        """features: [B, F] of `VideoFeatures.still` -> ws [B, num_ws, w_dim], every row the same.

        The generator was taught with one shared w, so the first guess stays in W; refinement leaves it.
        """
        return self.latent(self.codes(features), num_ws)

    def codes(self, features: Tensor) -> Tensor:
        """features [B, F] -> what the layer keeps of them, [B, rank]."""
        codes: Tensor = self.down(features)
        return codes

    def latent(self, codes: Tensor, num_ws: int) -> Tensor:
        """codes [B, rank] -> ws [B, num_ws, w_dim]."""
        w: Tensor = self.up(codes)
        return w[:, None].expand(-1, num_ws, -1).contiguous()


class CorrectionMapper(nn.Module):
    """What a photo and a drawing of it still differ in -> the step in w that brings the drawing nearer.

    picture: from the vision mapper's codes; person: from the vectors of a face network, fitted together with
    `picture`, so that it speaks only for what the backbone does not see. (From face vectors alone a step would also
    bring glasses, hair and pose that go with such a face.) Both without a bias: no difference, no step.
    usual: [] distance of two face vectors at which they differ by no more than a drawing's own noise.
    """

    # Chosen on four photos and on drawn faces that nothing was fitted on. A full step by the picture only adds noise;
    # real people differ from drawn ones by more than drawn faces can teach.
    PICTURE_GAIN = 0.5
    PERSON_GAIN = 3.0

    usual: Tensor

    def __init__(self, rank: int, person: int, w_dim: int) -> None:
        super().__init__()
        self.picture = nn.Linear(rank, w_dim, bias=False)
        self.person = nn.Linear(person, w_dim, bias=False)
        self.register_buffer("usual", torch.zeros(()))

    def forward(self, picture: Tensor, person: Tensor) -> Tensor:
        """Differences photo - drawing of codes [B, rank] and of face vectors [B, E] -> step in w [B, w_dim]."""
        distance = person.norm(dim=1, keepdim=True).clamp(min=1e-6)
        # As in James and Stein's estimator: the share of the squared distance that is not noise.
        trusted = (1 - (self.usual / distance).square()).clamp(min=0)
        step: Tensor = self.PICTURE_GAIN * self.picture(picture) + self.PERSON_GAIN * self.person(trusted * person)
        return step


class TextMapper(nn.Module):
    """Token states -> attribute intents: one linear layer per token, then the strongest token speaks.

    Each word piece, in its context, votes by a linear layer for "have it" and for "lose it" of every
    attribute; a sentence means what its most certain word says, so several wishes in one sentence do not
    thin each other out, as they would in a mean. A second linear layer reads the degree ("a bit", "very")
    off the token that spoke.
    """

    # Probability above which a wish counts as spoken: a missed wish annoys more often than an extra one.
    THRESHOLD = 0.3

    def __init__(self, state_dim: int, attributes: int) -> None:
        super().__init__()
        self.presence = nn.Linear(state_dim, 2 * attributes)
        self.degree = nn.Linear(state_dim, 1)

    def votes(self, tokens: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """tokens [B, L, D], mask [B, L] -> logits [B, L, 2A] (all wishes, then all removals), degrees [B, L]."""
        logits = self.presence(tokens).masked_fill(attention_mask[..., None] == 0, -1e4)
        return logits, self.degree(tokens)[..., 0]

    def forward(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """-> intents [B, A]: +1 "have it", -1 "lose it", exactly 0 "not mentioned"; degrees scale it (0.3..1.7)."""
        logits, degrees = self.votes(tokens, attention_mask)
        best, where = logits.max(dim=1)
        size = torch.gather(degrees, 1, where).clamp(0.3, 1.7)
        spoken = torch.where(best.sigmoid() > self.THRESHOLD, best, torch.full_like(best, -1e4))
        wish, removal = spoken.chunk(2, dim=1)
        size_wish, size_removal = size.chunk(2, dim=1)
        intents = torch.where(wish >= removal, size_wish, -size_removal)
        return torch.where(torch.maximum(wish, removal) > -1e4, intents, torch.zeros_like(intents))


class AttributeReader(nn.Linear):
    """Picture features [B, F] -> attribute scores [B, A]; labelled faces average 0 ("no") and 1 ("yes").

    A logistic classifier on the backbone's features of labelled pictures, in units of its own mean answers.
    """

    def __init__(self, features: int, attributes: int) -> None:
        super().__init__(features, attributes)


@dataclass(frozen=True)
class StepLimits:
    """How far an intent may move a face along its attribute, in units of the no-to-yes distance.

    at_least: even a face that has what is wished for moves this much (so the user sees an answer); a removal
    of what is not there moves nothing. at_most: without a look, a face at the far end is not thrown further than this.
    """

    at_least: float = 0.25
    at_most: float = 1.6


class OffsetMapper(nn.Module):
    """Intents -> w+ offset. Buffers, for A attributes:

    directions: [A, num_ws, w_dim], each raises its own attribute's score by 1 and leaves its neighbours alone.
    probe_weight, probe_bias: [A, w_dim], [A] linear scores of a latent; 0 is "no" on average, 1 is "yes".
    relative: [A] 1 where an intent is a change from where the face is (older) and not a place to reach (glasses).
    low, high: [A] the score a full removal or a full wish aims at (a little behind the classifier's own "yes").
    """

    directions: Tensor
    probe_weight: Tensor
    probe_bias: Tensor
    relative: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, attributes: int, num_ws: int, w_dim: int, limits: StepLimits | None = None) -> None:
        super().__init__()
        self.limits = limits or StepLimits()
        self.register_buffer("directions", torch.zeros(attributes, num_ws, w_dim))
        self.register_buffer("probe_weight", torch.zeros(attributes, w_dim))
        self.register_buffer("probe_bias", torch.zeros(attributes))
        self.register_buffer("relative", torch.zeros(attributes))
        self.register_buffer("low", torch.zeros(attributes))
        self.register_buffer("high", torch.ones(attributes))

    def scores(self, ws: Tensor) -> Tensor:
        """ws [B, num_ws, w_dim] -> [B, A]: where each face stands on each attribute, 0 = no, 1 = yes."""
        return ws.mean(dim=1) @ self.probe_weight.T + self.probe_bias

    def along(self, weights: Tensor) -> Tensor:
        """weights [A] -> offset [num_ws, w_dim]: the sum of the directions, whatever the face is like."""
        return torch.einsum("a,anw->nw", weights, self.directions)

    def goals(self, intents: Tensor) -> Tensor:
        """intents [B, A] -> the scores they aim at, [B, A].

        Degrees move the goal: half an intent aims half-way between the middle and the full goal.
        """
        middle = (self.low + self.high) / 2
        return middle + intents * torch.where(intents > 0, self.high - middle, middle - self.low)

    def steps(self, ws: Tensor, intents: Tensor, seen: Tensor | None = None) -> Tensor:
        """How far each face has to go: [B, A] signed, 0 where nothing was asked.

        seen: [B, A] scores read off the faces' pictures; without them the latent's own scores serve.
        """
        lo, hi = self.limits.at_least, self.limits.at_most
        size = intents.abs()
        needed = (self.goals(intents) - (self.scores(ws) if seen is None else seen)) * intents.sign()
        absolute = torch.where(intents > 0, needed.clamp(lo, hi), needed.clamp(0, hi)) * size.clamp(max=1.0)
        reach = torch.where(self.relative > 0, size, absolute)
        return torch.where(intents == 0, torch.zeros_like(reach), reach * intents.sign())

    def forward(self, ws: Tensor, intents: Tensor) -> Tensor:
        """ws [B, num_ws, w_dim], intents [B, A] -> offset [B, num_ws, w_dim] at strength 1."""
        return torch.einsum("ba,anw->bnw", self.steps(ws, intents), self.directions)
