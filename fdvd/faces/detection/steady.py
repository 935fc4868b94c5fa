"""Five points that do not tremble: the mean answer of MTCNN's last network over many slightly different windows.

A single window's answer depends on where the cascade happened to put it; from frame to frame of a video that
shows as a tremor of some pixels. So the network looks twice: through windows around the cascade's box, and then
through windows around the points it gave the first time, which hardly depend on that box any more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from fdvd.faces.detection.mtcnn import DetectedFace, FaceDetector
from fdvd.faces.detection.networks import normalise

_PATCH = 48  # px, the network's input
_FINE = 2 * _PATCH  # windows are sampled at twice that and averaged
_SHIFT = 0.05  # of the window's side, either way
_SCALES = (0.95, 1.15)
# Where the cascade puts its box on average, in units of the way from the mouth to the eyes.
_SIDE = 3.0
_RISE = 0.15  # of its centre over the middle between eyes and mouth
_LEEWAY = (0.7, 1.4)  # of the cascade's own side; points that ask for more are not believed


def _windows(looks: int) -> NDArray[np.float64]:
    """[looks, 3] shift x, shift y, scale: an even, fixed spread (a rank-3 Kronecker sequence)."""
    steps = np.array([0.8191725, 0.6710436, 0.5497005])
    spread = (0.5 + np.arange(1, looks + 1)[:, None] * steps) % 1
    return np.column_stack([_SHIFT * (2 * spread[:, :2] - 1), _SCALES[0] + spread[:, 2] * (_SCALES[1] - _SCALES[0])])


def steady_landmarks(
    detector: FaceDetector, rgb: NDArray[np.uint8], face: DetectedFace, looks: int = 16
) -> DetectedFace:
    """The same face with steadier landmarks. rgb: uint8 [H, W, 3] it was found in; looks: windows to average."""
    if looks < 1:
        raise ValueError(f"looks must be at least 1, got {looks}")
    centre = (face.box[:2] + face.box[2:]) / 2
    side = float((face.box[2:] - face.box[:2]).max())
    first = _looked(detector, rgb, centre, side, looks)
    eyes, mouth = first[:2].mean(axis=0), first[3:].mean(axis=0)
    settled = float(np.clip(_SIDE * np.linalg.norm(eyes - mouth), _LEEWAY[0] * side, _LEEWAY[1] * side))
    around = (eyes + mouth) / 2 + _RISE * (eyes - mouth)
    return replace(face, landmarks=_looked(detector, rgb, around, settled, looks))


@torch.inference_mode()
def _looked(
    detector: FaceDetector, rgb: NDArray[np.uint8], centre: NDArray[np.float64], side: float, looks: int
) -> NDArray[np.float64]:
    """The mean answer [5, 2] over windows around a square of that centre and side."""
    # The surroundings at the scale at which a window is about _FINE px: nothing aliases, and it is small.
    reach = side * (0.5 * _SCALES[1] + _SHIFT) + 2
    corner = centre - reach
    size = max(8, round(2 * reach * _FINE / side))
    around = Image.fromarray(rgb).crop(
        (*np.floor(corner).astype(int).tolist(), *np.ceil(corner + 2 * reach).astype(int).tolist())
    )
    box = (corner - np.floor(corner)).tolist()
    small = around.resize((size, size), Image.Resampling.BILINEAR, box=(*box, *(v + 2 * reach for v in box)))
    device = detector.onet.conv1.weight.device
    picture = torch.from_numpy(np.array(small)).to(device).permute(2, 0, 1)[None].float()
    windows = _windows(looks)
    sides = side * windows[:, 2]
    starts = centre + side * windows[:, :2] - sides[:, None] / 2
    # Affine grids in grid_sample's coordinates: -1..1 spans `around`.
    middles = (starts + sides[:, None] / 2 - corner) / reach - 1
    theta = np.zeros((looks, 2, 3))
    theta[:, 0, 0] = theta[:, 1, 1] = sides / (2 * reach)
    theta[:, :, 2] = middles
    grid = F.affine_grid(torch.from_numpy(theta).float().to(device), [looks, 3, _FINE, _FINE], align_corners=False)
    patches = F.grid_sample(picture.expand(looks, -1, -1, -1), grid, align_corners=False, padding_mode="border")
    _, _, points = detector.onet(normalise(F.avg_pool2d(patches, _FINE // _PATCH)))
    placed = starts[:, None] + points.double().cpu().numpy() * sides[:, None, None]
    return np.asarray(np.mean(placed, axis=0))


class SteadyFinder:
    """A detector whose landmarks are steady; for videos. most_faces: per frame, the largest; a crowd must not make
    the search unbounded."""

    def __init__(self, detector: FaceDetector, most_faces: int = 16) -> None:
        self._detector = detector
        self._most_faces = most_faces

    def detect(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        """uint8 [H, W, 3] RGB -> faces, the largest first."""
        found = self._detector.detect(rgb)[: self._most_faces]
        return [steady_landmarks(self._detector, rgb, face) for face in found]
