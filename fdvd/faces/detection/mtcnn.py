"""Face detection with MTCNN: photo in, boxes and five points out. Our own cascade around `networks.py`.

Coordinates are continuous photo pixels: (0, 0) is the outer corner of the top-left pixel, (W, H) the outer
corner of the bottom-right one. Boxes inside the cascade keep the published convention (first pixel is 1),
because the networks' shifts were trained with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fdvd.faces.detection.networks import OutputNet, ProposalNet, RefineNet, normalise

Floats = NDArray[np.float64]

_WINDOW = 12  # P-Net's window, px
_STRIDE = 2  # distance of P-Net's windows, px
_PYRAMID = 0.709  # scale step: half the area
_MAX_CANDIDATES = 2000  # per stage; a noisy picture must not make the cascade unbounded
_BATCH = 256
_FIRST_PASS_SIDE = 1024  # px; larger photos are scaled down to it first
_SECOND_PASS_SIDE = 2048  # px; bounds the search for tiny faces in huge photos


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """One face, in continuous pixels of the photo.

    box: float64 [4] x0, y0, x1, y1; may reach a little beyond the photo.
    score: probability in 0..1.
    landmarks: float64 [5, 2] (x, y): left eye, right eye, nose, left and right corner of the mouth, where
        left and right are those of the picture.
    """

    box: Floats
    score: float
    landmarks: Floats

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


def nms(boxes: Floats, scores: Floats, threshold: float, of_smaller: bool = False) -> NDArray[np.intp]:
    """Greedy non-maximum suppression.

    boxes [N, 4], scores [N] -> indices of the kept boxes, best score first. Overlap is intersection over
    union, or over the smaller of the two areas (which also removes a box inside another).
    """
    order = np.argsort(-scores, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    keep: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(int(best))
        top_left = np.maximum(boxes[best, :2], boxes[rest, :2])
        bottom_right = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        inside = np.clip(bottom_right - top_left + 1, 0, None).prod(axis=1)
        base = np.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - inside
        order = rest[inside <= threshold * base]
    return np.array(keep, dtype=np.intp)


def _squared(boxes: Floats) -> Floats:
    """[N, 4] -> squares of the longer side around the same centres."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True)
    start = boxes[:, :2] + (size - side) / 2
    return np.hstack([start, start + side])


def _shifted(boxes: Floats, shift: Floats) -> Floats:
    """Boxes [N, 4] moved by a network's answer [N, 4], given in box sizes."""
    size = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + shift * np.hstack([size, size])


class FaceDetector(nn.Module):
    """Finds faces in photos.

    state_dict: tensors whose names start with 'pnet.', 'rnet.' and 'onet.'; loaded strictly.
    """

    def __init__(self, state_dict: Mapping[str, Tensor], device: str | torch.device = "cpu") -> None:
        super().__init__()
        self.pnet = ProposalNet()
        self.rnet = RefineNet()
        self.onet = OutputNet()
        self.load_state_dict(dict(state_dict))
        self.requires_grad_(False)
        self.eval()
        self.to(device)
        self.thresholds = (0.6, 0.7, 0.7)

    @torch.inference_mode()
    def detect(
        self,
        rgb: NDArray[np.uint8],
        min_face: float = 20.0,
        min_fraction: float = 0.02,
        min_score: float = 0.9,
    ) -> list[DetectedFace]:
        """uint8 [H, W, 3] RGB -> faces, the largest first.

        min_face: smallest face to look for, photo px (12 is the least the network can see).
        min_fraction: the same as a part of the photo's longest side; keeps the cost of large photos bounded.
        min_score: faces less sure than this are left out.
        A photo in which nothing is found gets a second pass at its full size (at most 2048 px), so that small
        faces in a large photo are still found.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"expected uint8 [H, W, 3] RGB, got {rgb.dtype} {list(rgb.shape)}")
        longest = max(rgb.shape[:2])
        if longest < _WINDOW:
            return []
        faces = self._detect_scaled(rgb, _FIRST_PASS_SIDE, max(min_face, min_fraction * longest), min_score)
        if not faces and longest > _FIRST_PASS_SIDE:
            faces = self._detect_scaled(rgb, _SECOND_PASS_SIDE, min_face, min_score)
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def _detect_scaled(
        self, rgb: NDArray[np.uint8], side: int, min_face: float, min_score: float
    ) -> list[DetectedFace]:
        """Searches a copy whose longest side is at most `side`; min_face is in px of the given photo."""
        height, width = rgb.shape[:2]
        shrink = min(1.0, side / max(height, width))
        if shrink < 1.0:
            size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        device = self.pnet.conv1.weight.device
        planes = np.array(rgb.transpose(2, 0, 1), order="C")  # pooling is slow on interleaved colours
        image = torch.from_numpy(planes).to(device)[None].float()
        boxes, scores, points = self._cascade(image, max(_WINDOW, min_face * shrink))
        scale = np.array([width / rgb.shape[1], height / rgb.shape[0]])
        return [
            DetectedFace(box * np.tile(scale, 2), float(score), five * scale)
            for box, score, five in zip(boxes, scores, points, strict=True)
            if score >= min_score
        ]

    def _cascade(self, image: Tensor, min_face: float) -> tuple[Floats, Floats, Floats]:
        """[1, 3, H, W] in 0..255 -> boxes [N, 4], scores [N], points [N, 5, 2]."""
        boxes = self._propose(image, min_face)

        patches, boxes = self._patches(image, boxes, 24)
        answers = [self.rnet(normalise(part)) for part in patches.split(_BATCH)]
        scores, shift = (torch.cat(a).double().cpu().numpy() for a in zip(*answers, strict=True))
        passed = scores > self.thresholds[1]
        boxes, scores, shift = boxes[passed], scores[passed], shift[passed]
        keep = nms(boxes, scores, 0.7)
        boxes = _squared(_shifted(boxes[keep], shift[keep]))

        patches, boxes = self._patches(image, boxes, 48)
        answers = [self.onet(normalise(part)) for part in patches.split(_BATCH)]
        scores, shift, points = (torch.cat(a).double().cpu().numpy() for a in zip(*answers, strict=True))
        passed = scores > self.thresholds[2]
        boxes, scores, shift, points = boxes[passed], scores[passed], shift[passed], points[passed]
        size = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
        # First pixel is 1 in `boxes`, so its outer corner is at box - 1: these are continuous pixels.
        points = boxes[:, None, :2] - 1 + points * size
        boxes = _shifted(boxes, shift)
        keep = nms(boxes, scores, 0.7, of_smaller=True)
        return boxes[keep], scores[keep], points[keep]

    def _propose(self, image: Tensor, min_face: float) -> Floats:
        """P-Net over a pyramid of scales -> square candidate boxes [N, 4]."""
        height, width = image.shape[2:]
        scale = _WINDOW / min_face
        found: list[Floats] = []  # rows: box [4], score, shift [4]
        while min(height, width) * scale >= _WINDOW:
            size = (int(height * scale + 1), int(width * scale + 1))
            probability, shift = self.pnet(normalise(F.interpolate(image, size, mode="area")))
            cells = (probability[0] >= self.thresholds[0]).nonzero()
            score = probability[0][cells[:, 0], cells[:, 1]].double().cpu().numpy()
            moves = shift[0][:, cells[:, 0], cells[:, 1]].T.double().cpu().numpy()
            corner = cells.flip(1).double().cpu().numpy() * _STRIDE
            boxes = np.hstack([np.floor((corner + 1) / scale), np.floor((corner + _WINDOW) / scale)])
            best = np.argsort(-score, kind="stable")[:_MAX_CANDIDATES]
            best = best[nms(boxes[best], score[best], 0.5)]
            found.append(np.hstack([boxes, score[:, None], moves])[best])
            scale *= _PYRAMID
        if not found:
            return np.zeros((0, 4))
        rows = np.concatenate(found)
        rows = rows[np.argsort(-rows[:, 4], kind="stable")[: 2 * _MAX_CANDIDATES]]
        rows = rows[nms(rows[:, :4], rows[:, 4], 0.7)][:_MAX_CANDIDATES]
        size_xy = np.tile(rows[:, 2:4] - rows[:, :2], 2)
        return _squared(rows[:, :4] + rows[:, 5:] * size_xy)

    def _patches(self, image: Tensor, boxes: Floats, size: int) -> tuple[Tensor, Floats]:
        """Cuts and scales every box -> patches [M, 3, size, size] and the M boxes that touch the picture."""
        height, width = image.shape[2:]
        limits = np.trunc(boxes).astype(int)
        x0, y0 = np.maximum(limits[:, 0], 1) - 1, np.maximum(limits[:, 1], 1) - 1
        x1, y1 = np.minimum(limits[:, 2], width), np.minimum(limits[:, 3], height)
        touching = np.flatnonzero((x1 > x0) & (y1 > y0))
        patches = [
            F.interpolate(image[:, :, y0[k] : y1[k], x0[k] : x1[k]], (size, size), mode="area") for k in touching
        ]
        if not patches:
            return image.new_zeros((0, 3, size, size)), boxes[touching]
        return torch.cat(patches), boxes[touching]
