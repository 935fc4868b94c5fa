"""The attribute judge: reads attributes off a picture with features that no mapper, loss or direction ever saw.

Features: the stages of dlib's face network over the whole aligned picture (it was trained on faces, not on
ImageNet) and the picture's coarse colours. Fitted on the labels of all seeds but 1600-1999.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_mapping.evaluation.measures import area_under_curve
from gan_mapping.mappers.files import WEIGHTS_DIR
from gan_mapping.perception.face_network import FaceNetwork
from gan_mapping.training.closed_form.attributes import fair_borders, fit_readings, unseen_readings
from vl_backbone.common.errors import WeightsError

JUDGE_FILE = WEIGHTS_DIR / "judge.safetensors"
JUDGE_SIZE = 200
COMPONENTS = 500


@torch.inference_mode()
def judge_features(network: FaceNetwork, images: Tensor) -> Tensor:
    """images [B, 3, R, R] aligned RGB in 0..255 -> features [B, d]."""
    small = F.interpolate(images, size=JUDGE_SIZE, mode="bilinear", antialias=True, align_corners=False)
    maps = network.stages(small)
    parts = [F.adaptive_avg_pool2d(maps[i], cells).flatten(1) for i, cells in ((1, 8), (2, 8), (4, 4))]
    colours = F.adaptive_avg_pool2d(images, 16).flatten(1) / 64
    return torch.cat([*parts, colours], dim=1)


@dataclass(frozen=True)
class Judge:
    """Logistic readings of a picture; `auc` on the held-out seeds by attribute (nan where a class is too rare)."""

    network: FaceNetwork
    attributes: tuple[str, ...]
    weight: Tensor
    bias: Tensor
    auc: dict[str, float]

    def logits(self, images: Tensor) -> Tensor:
        """images [B, 3, R, R] aligned RGB in 0..255 -> [B, A]; above 0 is "yes"."""
        return judge_features(self.network, images) @ self.weight + self.bias

    def to(self, device: torch.device) -> Judge:
        """The same judge with its layer on that device; the network has to be there already."""
        return replace(self, weight=self.weight.to(device), bias=self.bias.to(device))


def fit_judge(
    features: Tensor,
    values: Tensor,
    known: Tensor,
    held_out: Tensor,
    selected: Tensor,
    attributes: tuple[str, ...],
    network: FaceNetwork,
) -> Judge:
    """features [N, d], values and known [N, A], held_out [N] bool: those rows only measure the AUC.

    selected [N] bool: faces picked for rare words; they are fitted on, but say nothing of how rare a word is.
    """
    fit = ~held_out
    weight, bias = fit_readings(features[fit], values[fit], known[fit], COMPONENTS)
    unseen = unseen_readings(features[fit], values[fit], known[fit], COMPONENTS)
    border = fair_borders(unseen, values[fit], known[fit], selected[fit])
    judge = Judge(network, attributes, weight, bias - border, {})
    readings = features[held_out] @ judge.weight + judge.bias
    for a, name in enumerate(attributes):
        rows = known[held_out][:, a] > 0
        judge.auc[name] = area_under_curve(readings[rows, a], values[held_out][rows, a] > 0.5)
    return judge


def save_judge(judge: Judge, path: Path) -> None:
    """Weights as fp16 safetensors, AUCs in the metadata."""
    metadata = {"attributes": json.dumps(judge.attributes), "auc": json.dumps(judge.auc)}
    path.write_bytes(save({"weight": judge.weight.half().contiguous(), "bias": judge.bias}, metadata))


def load_judge(path: Path, network: FaceNetwork) -> Judge:
    """The judge of that file; WeightsError when it is missing or damaged."""
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata()
            weight, bias = handle.get_tensor("weight").float(), handle.get_tensor("bias")
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"The attribute judge {path} cannot be read ({error}); make it with benchmarks/fit_judge.py."
        ) from None
    return Judge(network, tuple(json.loads(metadata["attributes"])), weight, bias, json.loads(metadata["auc"]))


def pictures_to_batch(pictures: np.ndarray) -> Tensor:
    """uint8 [B, R, R, 3] -> float [B, 3, R, R] in 0..255."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
