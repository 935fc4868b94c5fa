"""How far a latent's small picture is from a photo, and which way is nearer: the loss that refinement lowers.

Two ways to the same numbers: torch's autograd, for any generator and device, and one OpenVINO graph that holds
generator, judging networks and backward pass, for MobileStyleGAN on a CPU (an order of magnitude faster).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from gan_mapping.generators.openvino_preview import latent_gradient, latent_rows, preview_variable
from gan_mapping.generators.protocol import Generator, small_picture
from gan_mapping.generators.registry import MobileStyleGANGenerator
from gan_mapping.losses.reconstruction import (
    EfficientNetPerceptual,
    identity_distance,
    perceptual_distance,
    pixel_distance,
)
from gan_mapping.perception.face_network import FaceNetwork
from gan_mapping.perception.networks import IdentityNetwork, PerceptualNetwork
from gan_mapping.perception.openvino_losses import identity_vector, perceptual_maps
from vl_backbone.networks.openvino_gradient import Variable, offset, shift_scale
from vl_backbone.networks.openvino_runtime import Node, constant, op, ov, request_for


@dataclass(frozen=True)
class PhotoLossWeights:
    """Shares of the terms in `gan_mapping.losses.reconstruction`.

    perceptual: of the distance of feature columns. pixel: of the mean squared error. identity: of the squared
    distance of face vectors; 0 leaves the face network out (then it may serve as an independent judge).
    """

    perceptual: float = 1.0
    pixel: float = 6.0
    identity: float = 1.5


class LossAndGradient(NamedTuple):
    """loss: of one picture. gradient: [1, num_ws, w_dim]. picture: [1, 3, side, side] in about [-1, 1], uncorrected."""

    loss: float
    gradient: Tensor
    picture: Tensor


class PhotoLoss(Protocol):
    """The distance of a latent's picture to one photo at a time."""

    side: int
    corrected: bool

    def set_photo(self, photo: Tensor) -> None:
        """photo: [1, 3, side, side] RGB in 0..255; forgets the correction."""
        ...

    def set_correction(self, correction: Tensor) -> None:
        """[1, 3, side, side] in [-1, 1] units, added to every picture: what a preview lacks near this latent."""
        ...

    def __call__(self, ws: Tensor) -> LossAndGradient:
        """ws: [1, num_ws, w_dim]."""
        ...


class TorchPhotoLoss:
    """By torch's autograd: any generator, any device."""

    def __init__(
        self,
        generator: Generator,
        perceptual: PerceptualNetwork,
        identity: IdentityNetwork,
        weights: PhotoLossWeights,
        side: int,
    ) -> None:
        self.side = min(side, generator.resolution)
        self.corrected = self.side in generator.preview_sides
        self._generator, self._perceptual, self._identity = generator, perceptual, identity
        self._weights = weights
        self._correction: Tensor | None = None

    @torch.no_grad()
    def set_photo(self, photo: Tensor) -> None:
        self._photo = photo
        self._maps = self._perceptual.features(photo)
        self._vector = self._identity.describe(photo) if self._weights.identity else None
        self._correction = None

    def set_correction(self, correction: Tensor) -> None:
        self._correction = correction

    def __call__(self, ws: Tensor) -> LossAndGradient:
        weights, latent = self._weights, ws.detach().requires_grad_()
        picture = small_picture(self._generator, latent, self.side)
        levels = ((picture if self._correction is None else picture + self._correction) + 1) * 127.5
        loss = weights.perceptual * perceptual_distance(self._perceptual.features(levels), self._maps)
        loss = loss + weights.pixel * pixel_distance(levels, self._photo)
        if self._vector is not None:
            loss = loss + weights.identity * identity_distance(self._identity.describe(levels), self._vector)
        (gradient,) = torch.autograd.grad(loss.sum(), latent)
        return LossAndGradient(float(loss.detach()), gradient, picture.detach())


class OpenVINOPhotoLoss:
    """By one OpenVINO graph, for MobileStyleGAN with preview heads and the embedded judging networks, on a CPU."""

    corrected = True

    def __init__(
        self,
        generator: MobileStyleGANGenerator,
        perceptual: EfficientNetPerceptual,
        identity: FaceNetwork,
        weights: PhotoLossWeights,
        side: int,
    ) -> None:
        assert generator.heads is not None
        self.side = side
        shape = [1, 3, side, side]
        ws, rows = latent_rows()
        correction, photo = (op.parameter(shape, np.float32, name=name) for name in ("correction", "photo"))
        drawn = preview_variable(generator.network.synthesis, generator.heads.head(side), rows)
        levels = shift_scale(offset(drawn, correction), 1.0, 127.5)
        judged = [(m, weights.perceptual) for m in perceptual_maps(perceptual.network, levels)]
        if weights.identity:
            judged.append((identity_vector(identity, levels), weights.identity))
        inputs, terms, seeds = [ws, correction, photo], [], []
        for x, weight in [(levels, weights.pixel / (3 * 255**2)), *judged]:
            target = photo if x is levels else op.parameter(x.shape, np.float32)
            if x is not levels:
                inputs.append(target)
            share = weight / float(np.prod(x.shape[2:]))
            apart = op.subtract(x.node, target)
            seeds.append((x, op.multiply(apart, constant(np.array(2 * share)))))
            axes = op.constant(np.arange(len(x.shape), dtype=np.int64))
            total = op.reduce_sum(op.multiply(apart, apart), axes, False)
            terms.append(op.reshape(op.multiply(total, constant(np.array(share))), [1], False))
        results = [op.concat(terms, 0), latent_gradient(seeds, rows), drawn.node]
        self._step = request_for(ov.Model([op.result(node) for node in results], inputs, "photo-loss"))
        self._judge = self._judging_graph(perceptual, identity, weights)

    def _judging_graph(
        self, perceptual: EfficientNetPerceptual, identity: FaceNetwork, weights: PhotoLossWeights
    ) -> ov.InferRequest:
        photo = op.parameter([1, 3, self.side, self.side], np.float32)
        seen = Variable(photo)
        nodes: list[Node] = [m.node for m in perceptual_maps(perceptual.network, seen)]
        if weights.identity:
            nodes.append(identity_vector(identity, seen).node)
        return request_for(ov.Model([op.result(node) for node in nodes], [photo], "photo-targets"))

    def set_photo(self, photo: Tensor) -> None:
        pixels = np.ascontiguousarray(photo.numpy(), dtype=np.float32)
        found = self._judge.infer([pixels], share_inputs=False)
        self._targets = [pixels, *(found[i].copy() for i in range(len(found)))]
        self._correction = np.zeros_like(pixels)

    def set_correction(self, correction: Tensor) -> None:
        self._correction = np.ascontiguousarray(correction.numpy(), dtype=np.float32)

    def __call__(self, ws: Tensor) -> LossAndGradient:
        values = np.ascontiguousarray(ws.detach().float().numpy())
        found = self._step.infer([values, self._correction, *self._targets], share_inputs=False)
        gradient, picture = (torch.from_numpy(found[i].copy()) for i in (1, 2))
        return LossAndGradient(float(found[0].sum()), gradient, picture)


def photo_loss(
    generator: Generator,
    perceptual: PerceptualNetwork,
    identity: IdentityNetwork,
    weights: PhotoLossWeights,
    side: int,
) -> PhotoLoss:
    """The fastest of the two that can do it."""
    if (
        isinstance(generator, MobileStyleGANGenerator)
        and generator.device.type == "cpu"
        and side in generator.preview_sides
        and isinstance(perceptual, EfficientNetPerceptual)
        and isinstance(identity, FaceNetwork)
    ):
        return OpenVINOPhotoLoss(generator, perceptual, identity, weights, side)
    return TorchPhotoLoss(generator, perceptual, identity, weights, side)
