"""From a face in a photo to an aligned square crop, and the way back.

Coordinates are continuous pixels: (0, 0) is the outer corner of the top-left pixel and (W, H) that of the
bottom-right one; the centre of pixel (column i, row j) is (i + 0.5, j + 0.5). x points right, y down.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch.nn import functional as F

from fdvd.faces.detection.mtcnn import DetectedFace
from vl_backbone.common.errors import InputError

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

CROP_SIZE = 1024
_MARGIN = 4  # px around a region before it is resampled: the reach of the bicubic kernel


class Patch(NamedTuple):
    """A rectangle of the photo: `values` float32 [h, w, C] belong at rows y0..y0+h, columns x0..x0+w."""

    x0: int
    y0: int
    values: NDArray[np.float32]


def _rot90(v: Floats) -> Floats:
    """(x, y) turned by 90 degrees: FFHQ's flipud(v) * [-1, 1]."""
    return np.array([-v[1], v[0]])


def ffhq_quad(landmarks: ArrayLike) -> Floats:
    """The square FFHQ would cut for these five points.

    landmarks: [5, 2] (x, y): left eye, right eye, nose, left and right mouth corner, as seen in the picture.
    Returns float64 [4, 2]: top-left, bottom-left, bottom-right, top-right of the crop, in photo pixels; it
    may reach beyond the photo.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (5, 2):
        raise ValueError(f"expected five points (x, y), got an array of shape {list(points.shape)}")
    eye_left, eye_right, _, mouth_left, mouth_right = points
    eye_centre = (eye_left + eye_right) / 2
    eye_to_eye = eye_right - eye_left
    eye_to_mouth = (mouth_left + mouth_right) / 2 - eye_centre
    x = eye_to_eye - _rot90(eye_to_mouth)
    length = math.hypot(*x)
    if not math.isfinite(length) or length < 1e-6:
        raise InputError("the eyes and the mouth found in the photo coincide; use another photo")
    x *= max(math.hypot(*eye_to_eye) * 2.0, math.hypot(*eye_to_mouth) * 1.8) / length
    y = _rot90(x)
    centre = eye_centre + eye_to_mouth * 0.1
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def _mirrored(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Indices start..stop-1 mirrored into 0..size-1 without repeating the edge, however far out."""
    if size == 1:
        return np.zeros(stop - start, dtype=np.intp)
    period = 2 * (size - 1)
    folded = np.arange(start, stop) % period
    return np.minimum(folded, period - folded)


def _cut(image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
    """[H, W, C] -> rows y0..y1, columns x0..x1; outside the picture it is mirrored."""
    height, width = image.shape[:2]
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        return np.ascontiguousarray(image[y0:y1, x0:x1])
    return image[_mirrored(y0, y1, height)][:, _mirrored(x0, x1, width)]


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """An aligned face: carries pixels from the photo to the crop and changes from the crop back to the photo.

    quad: float64 [4, 2], the crop's top-left, bottom-left, bottom-right, top-right corner in photo pixels; a
        parallelogram (FFHQ's rule gives a turned square).
    photo_size: (width, height) of the photo.
    size: side of the crop in px.
    box: float64 [4] x0, y0, x1, y1 of the face, or None; score: the detector's probability, or None.
    """

    quad: Floats
    photo_size: tuple[int, int]
    size: int = CROP_SIZE
    box: Floats | None = None
    score: float | None = None
    _axes: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        quad = np.array(self.quad, dtype=np.float64)
        if quad.shape != (4, 2) or not np.isfinite(quad).all():
            raise ValueError("a quad is four finite points (x, y)")
        side = float(np.linalg.norm(quad[3] - quad[0]))
        if np.abs(quad[0] + quad[2] - quad[1] - quad[3]).max() > 1e-3 * max(side, 1.0):
            raise ValueError("the quad's opposite sides must be parallel")
        # Columns: one crop side to the right, one crop side down, both in photo pixels.
        axes = np.stack([quad[3] - quad[0], quad[1] - quad[0]], axis=1)
        if abs(np.linalg.det(axes)) < 1e-6:
            raise InputError("the face has no area in this photo; use another photo")
        quad.setflags(write=False)
        object.__setattr__(self, "quad", quad)
        object.__setattr__(self, "_axes", axes)

    @classmethod
    def from_detection(cls, face: DetectedFace, photo_size: tuple[int, int], size: int = CROP_SIZE) -> FaceFrame:
        """The frame of a detected face by FFHQ's rule. photo_size is (width, height)."""
        return cls(ffhq_quad(face.landmarks), photo_size, size, face.box, face.score)

    @classmethod
    def from_aligned(cls, rgb: Picture, size: int = CROP_SIZE) -> FaceFrame:
        """The frame of a picture that already is an aligned face; of one that is not square, the middle."""
        height, width = rgb.shape[:2]
        side = min(width, height)
        x, y = (width - side) // 2, (height - side) // 2
        quad = np.array([[x, y], [x, y + side], [x + side, y + side], [x + side, y]], dtype=np.float64)
        return cls(quad, (width, height), size, np.array([x, y, x + side, y + side], dtype=np.float64))

    @property
    def scale(self) -> tuple[float, float]:
        """Photo pixels per crop pixel, along the crop's x and y axis."""
        lengths = np.linalg.norm(self._axes, axis=0) / self.size
        return float(lengths[0]), float(lengths[1])

    @property
    def upright(self) -> bool:
        """Whether the crop's sides run along the photo's, so that it needs no turning."""
        off = abs(self._axes[0, 1]) + abs(self._axes[1, 0])
        return bool(off < 1e-9 and self._axes[0, 0] > 0 and self._axes[1, 1] > 0)

    def to_crop(self, points: ArrayLike) -> Floats:
        """Photo points [N, 2] -> crop pixels [N, 2]."""
        moved = np.asarray(points, dtype=np.float64) - self.quad[0]
        return np.linalg.solve(self._axes, moved.T).T * self.size

    def to_photo(self, points: ArrayLike) -> Floats:
        """Crop points [N, 2] -> photo pixels [N, 2]."""
        moved: Floats = self.quad[0] + (np.asarray(points, dtype=np.float64) / self.size) @ self._axes.T
        return moved

    def crop(self, rgb: Picture) -> Picture:
        """uint8 [H, W, 3] photo -> uint8 [size, size, 3] crop.

        Shrinking is filtered (Lanczos), so that nothing aliases; enlarging is bicubic; beyond the photo's
        edge the picture is mirrored.
        """
        if rgb.shape[:2] != self.photo_size[::-1]:
            raise ValueError(f"the frame is of a {self.photo_size} photo, got {rgb.shape[1::-1]}")
        corner, far = self.quad.min(axis=0), self.quad.max(axis=0)
        x0, y0 = (np.floor(corner).astype(int) - _MARGIN).tolist()
        x1, y1 = (np.ceil(far).astype(int) + _MARGIN).tolist()
        # Far from 1:1 the kernel reaches further than the margin; shrinking is done below on more pixels.
        reach = math.ceil(_MARGIN * max(1.0, *self.scale))
        x0, y0, x1, y1 = x0 - reach, y0 - reach, x1 + reach, y1 + reach
        image = Image.fromarray(_cut(rgb, x0, y0, x1, y1))
        axes, origin = self._axes, self.quad[0] - (x0, y0)
        if self.upright:
            box = (*origin.tolist(), *(origin + axes.diagonal()).tolist())
            shrinking = max(self.scale) > 1
            kernel = Image.Resampling.LANCZOS if shrinking else Image.Resampling.BICUBIC
            return np.asarray(image.resize((self.size, self.size), kernel, box=box, reducing_gap=3.0))
        shrink = max(1.0, *self.scale)
        if shrink > 1.0:
            # First to about one photo pixel per crop pixel, along the photo's axes; then turn.
            small = (math.ceil(image.width / shrink), math.ceil(image.height / shrink))
            factor = np.array([small[0] / image.width, small[1] / image.height])
            image = image.resize(small, Image.Resampling.LANCZOS, reducing_gap=3.0)
            axes, origin = axes * factor[:, None], origin * factor
        step = axes / self.size

        def strip(top: int, bottom: int) -> Picture:
            x, y = origin + top * step[:, 1]
            coefficients = (step[0, 0], step[0, 1], x, step[1, 0], step[1, 1], y)
            size = (self.size, bottom - top)
            return np.asarray(image.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC))

        # Pillow turns a picture on one core, but lets go of Python's lock meanwhile.
        middle = self.size // 2
        with ThreadPoolExecutor(2) as pool:
            return np.concatenate(list(pool.map(strip, (0, middle), (middle, self.size))))

    def bounds(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of the pixels of the photo that the crop can touch (empty when it lies outside)."""
        width, height = self.photo_size
        low = np.floor(self.quad.min(axis=0)).astype(int)
        high = np.ceil(self.quad.max(axis=0)).astype(int)
        x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
        return x0, y0, max(x0, min(width, int(high[0]))), max(y0, min(height, int(high[1])))

    def warp_back(self, values: NDArray[np.float32]) -> Patch:
        """Brings a field that lives on the crop, float [size, size, C], into the photo: the inverse warp.

        Filtered when the face is smaller in the photo than in the crop, bicubic when it is larger. What is
        zero stays exactly zero, and everything outside the crop is zero: made for changes, not for pictures.
        """
        x0, y0, x1, y1 = self.bounds()
        if x1 <= x0 or y1 <= y0:
            return Patch(x0, y0, np.zeros((0, 0, values.shape[2]), dtype=np.float32))
        tensor = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).permute(2, 0, 1)[None]
        if max(self.scale) < 1.0:
            small = [max(1, round(self.size * s)) for s in self.scale]
            tensor = F.interpolate(tensor, (small[1], small[0]), mode="bicubic", antialias=True)
        # grid_sample's coordinates: -1..1 across the crop, so crop fraction * 2 - 1.
        inverse = np.linalg.inv(self._axes) * 2
        xs, ys = np.arange(x0, x1) + 0.5 - self.quad[0, 0], np.arange(y0, y1) + 0.5 - self.quad[0, 1]
        along_x = torch.from_numpy(np.outer(inverse[:, 0], xs) - 1).float()
        along_y = torch.from_numpy(np.outer(inverse[:, 1], ys)).float()
        grid = (along_x.T[None] + along_y.T[:, None])[None]
        moved = F.grid_sample(tensor, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
        # On a very small face the kernel reaches beyond the crop's border; nothing may come out there.
        moved *= (grid.abs() <= 1).all(dim=-1)[:, None]
        return Patch(x0, y0, moved[0].permute(1, 2, 0).numpy())
