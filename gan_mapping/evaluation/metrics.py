"""What looks at pictures: the attribute judge, dlib's face network and a perceptual network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.evaluation.judge import JUDGE_FILE, Judge, load_judge
from gan_mapping.images import to_batch
from gan_mapping.mappers.presets import load_preset
from gan_mapping.perception.face_network import FaceNetwork
from gan_mapping.perception.networks import PerceptualNetwork, load_identity, load_perceptual
from vl_backbone.weights import WeightStore

# Attributes the judge reads well enough on held-out faces to accuse an edit of leaking into them.
JUDGED_AUC = 0.85
PERCEPTUAL_SIZE = 256
JUDGE_NETWORK = "dlib-face-resnet"


@dataclass(frozen=True)
class Look:
    """What the networks say of one picture: readings [A] (above 0 is "yes"), who [128], and perceptual maps."""

    readings: Tensor
    who: Tensor
    maps: list[Tensor]


@dataclass(frozen=True)
class Metrics:
    """The networks that measure; none of them has a part in the edit itself (dlib's is in the refinement's loss)."""

    judge: Judge
    network: FaceNetwork
    perceptual: PerceptualNetwork
    perceptual_name: str
    device: torch.device

    @torch.inference_mode()
    def look(self, picture: np.ndarray) -> Look:
        """uint8 [R, R, 3] FFHQ-aligned RGB -> Look."""
        batch = to_batch([picture], None, self.device)
        small = F.interpolate(batch, size=PERCEPTUAL_SIZE, mode="bilinear", antialias=True, align_corners=False)
        readings = self.judge.logits(batch)[0].cpu()
        return Look(readings, self.network.describe(batch)[0].cpu(), self.perceptual.features(small))

    @torch.inference_mode()
    def who(self, picture: np.ndarray) -> Tensor:
        """uint8 [R, R, 3] FFHQ-aligned RGB -> identity vector [128]."""
        return self.network.describe(to_batch([picture], None, self.device))[0].cpu()

    def well_judged(self) -> Tensor:
        """bool [A]: the attributes that count for leakage."""
        return torch.tensor([self.judge.auc[name] >= JUDGED_AUC for name in self.judge.attributes])


def load_instruments(model: FaceModel, perceptual: str | None = None) -> Metrics:
    """Metrics on the model's device. perceptual: a name of `load_perceptual`, by default the preset's.

    Raises WeightsError when a file is missing, UsageError for an unknown name.
    """
    store = WeightStore()
    name = perceptual or load_preset(model.preset).perceptual
    network, _ = load_identity(JUDGE_NETWORK, model.device, store)
    assert isinstance(network, FaceNetwork)
    judge = load_judge(JUDGE_FILE, network).to(model.device)
    return Metrics(judge, network, load_perceptual(name, model.device, store)[0], name, model.device)
