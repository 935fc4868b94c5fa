"""The networks that a build of FDVD uses: the face detector and the attribute judge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from fdvd.datasets.builder import Tools
from fdvd.datasets.builder.clip import file_hash
from fdvd.faces.detection import DetectedFace, FaceDetector, load_detector
from gan_mapping.evaluation.judge import JUDGE_FILE, Judge, load_judge, pictures_to_batch
from gan_mapping.perception.face_network import FaceNetwork
from vl_backbone.weights import WeightStore

MIN_AUC = 0.85
"""Attributes that the judge reads worse than this on held-out faces are not read at all."""


MIN_FACE = 0.08
"""Smallest face to look for, as a part of the longest side: RAVDESS shows heads, and small faces cost most."""


class CloseUpFinder:
    """The detector, for clips that show a large face."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector

    def detect(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        """uint8 [H, W, 3] RGB -> faces, the largest first."""
        return self._detector.detect(rgb, min_face=MIN_FACE * max(rgb.shape[:2]))


class JudgeReader:
    """Probabilities of the attributes that the judge reads well."""

    def __init__(self, judge: Judge, device: str) -> None:
        self._judge, self._device = judge, device
        self.attributes = tuple(name for name in judge.attributes if judge.auc[name] >= MIN_AUC)

    @torch.inference_mode()
    def __call__(self, faces: NDArray[np.uint8]) -> Mapping[str, NDArray[np.floating]]:
        """uint8 [B, R, R, 3] aligned -> {attribute: [B] in 0..1}; one picture at a time, which bounds the memory."""
        logits = torch.cat([self._judge.logits(pictures_to_batch(face[None]).to(self._device)) for face in faces])
        values = logits.sigmoid().double().cpu().numpy()
        return {name: values[:, self._judge.attributes.index(name)] for name in self.attributes}


def fdvd_tools(device: str = "cpu") -> Tools:
    """Loads them on the device. Raises WeightsError for what is missing."""
    store = WeightStore()
    network = FaceNetwork()
    network.load_state_dict(load_file(store.path("dlib-face-resnet")))
    judge = load_judge(JUDGE_FILE, network.eval().requires_grad_(False).to(device))
    on_device = Judge(judge.network, judge.attributes, judge.weight.to(device), judge.bias.to(device), judge.auc)
    parts = [str(MIN_FACE), store.sha256("mtcnn"), store.sha256("dlib-face-resnet"), file_hash(JUDGE_FILE)]
    return Tools(CloseUpFinder(load_detector(device)), JudgeReader(on_device, device), " ".join(parts))
