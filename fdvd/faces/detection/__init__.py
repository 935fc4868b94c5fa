"""Finding faces and their five points in photos."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from fdvd.faces.detection.mtcnn import DetectedFace, FaceDetector
from vl_backbone.weights import WeightStore

__all__ = ["DetectedFace", "FaceDetector", "load_detector"]


def load_detector(device: str | torch.device = "cpu") -> FaceDetector:
    """The MTCNN detector with the installed weights (WeightsError when they are missing)."""
    return FaceDetector(load_file(WeightStore().path("mtcnn")), device=device)
