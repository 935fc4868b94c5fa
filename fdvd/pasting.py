"""Brings an edited face back into the photo, touching nothing but the edit.

The photo is never replaced by a render: what is added to it is a *change*, made from the difference of two
renders (edited minus reconstruction). Where they agree the change is exactly zero, so an edit of strength 0
gives the photo back bit for bit, without a special case.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fdvd.alignment import FaceFrame

Picture = NDArray[np.uint8]

# All lengths are parts of the crop's side, all levels are of 0..255.
_CLEAR = 0.02  # the mask is exactly zero this near the crop's border ...
_FEATHER = 0.11  # ... and reaches one over this length
_CORNER = 0.35  # radius of the mask's rounded corners
_LIGHT_CHANGE = 14.0  # changes up to this keep the photo's texture
_STRONG_CHANGE = 48.0  # from this on the render itself is shown
_CHANGE_BLUR = 0.008  # sigma of the blur that turns differences into regions
_HOLE = 9  # px of the crop: unchanged specks narrower than this inside a change belong to the change
_FIELD = 64  # side of the grid on which colours are matched
_FIELD_BLUR = 6.0  # sigma on that grid
_LARGEST_SHIFT = 24.0  # of the local colour match, beyond the global one
_GAIN = (0.8, 1.25)


def _smoothstep(x: Tensor) -> Tensor:
    x = x.clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [1, C, H, W], edges repeated."""
    radius = max(1, round(3 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (radius, radius, 0, 0), mode="replicate"), taps, groups=x.shape[1])
    x = F.pad(x, (0, 0, radius, radius), mode="replicate")
    return F.conv2d(x, taps.transpose(2, 3), groups=x.shape[1])


@lru_cache(maxsize=4)
def paste_mask(size: int) -> Tensor:
    """[1, 1, size, size] in 0..1: a rounded square, falling to exactly 0 before the crop's border."""
    axis = (torch.arange(size) + 0.5) / size - 0.5
    # Signed distance to a rounded square whose border is where the mask ends.
    beyond = axis.abs() - (0.5 - _CLEAR - _CORNER)
    x, y = beyond[None, :], beyond[:, None]
    distance = torch.hypot(x.clamp(min=0), y.clamp(min=0)) + torch.maximum(x, y).clamp(max=0) - _CORNER
    return _smoothstep(-distance / _FEATHER)[None, None]


@lru_cache(maxsize=4)
def _face_weight(size: int) -> Tensor:
    """[1, 1, size, size]: a soft ellipse where FFHQ's alignment puts the face; a little everywhere else."""
    axis = (torch.arange(size) + 0.5) / size
    radius = ((axis[None, :] - 0.5) / 0.27) ** 2 + ((axis[:, None] - 0.56) / 0.36) ** 2
    return (torch.exp(-(radius**2)) + 0.02)[None, None]


def _closed(mask: Tensor, width: int) -> Tensor:
    """Morphological closing of a bool [1, 1, H, W] with an odd square: fills what is narrower."""
    for grow in (True, False):  # first widen by half the width, then shrink by it
        join = torch.logical_or if grow else torch.logical_and
        mask = F.pad(mask, (width // 2,) * 4, value=not grow)
        for axis in (2, 3):
            have = 1
            while have < width:  # runs of doubled length: log2(width) cheap steps
                step, length = min(have, width - have), mask.shape[axis]
                mask = join(mask.narrow(axis, 0, length - step), mask.narrow(axis, step, length - step))
                have += step
    return mask


def change_amount(difference: Tensor) -> Tensor:
    """How far the render takes over from the photo.

    difference: [1, 3, S, S], edited minus reconstruction in levels. Returns alpha [1, 1, S, S] in 0..1: 0
    where the photo keeps its texture, 1 where the render is shown; exactly 0 where nothing changed.
    """
    size = difference.shape[-1]
    strongest = difference.abs().amax(dim=1, keepdim=True)
    step = max(1, size // 256)
    low = F.avg_pool2d(strongest, step, ceil_mode=True)
    low = _blur(low, max(0.5, _CHANGE_BLUR * size / step))
    low = _smoothstep((low - _LIGHT_CHANGE) / (_STRONG_CHANGE - _LIGHT_CHANGE))
    alpha = F.interpolate(low, (size, size), mode="bilinear")
    # The blur reaches beyond the change: cut it off there, but not at specks where renders agree by chance.
    return alpha * _closed(strongest > 0, _HOLE)


def match_colours(edited: Tensor, reconstruction: Tensor, photo: Tensor) -> Tensor:
    """The edited render in the photo's light. All [1, 3, S, S] in levels.

    The transfer is learnt from what both pictures show, reconstruction -> photo, inside the face: a gain and
    shift per channel for the whole face, and a smooth field for light that differs from place to place.
    """
    size = edited.shape[-1]
    weight = _face_weight(_FIELD)
    small, target = (F.interpolate(x, (_FIELD, _FIELD), mode="area") for x in (reconstruction, photo))

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = (x * weight).sum((2, 3), keepdim=True) / weight.sum()
        spread = ((x - mean) ** 2 * weight).sum((2, 3), keepdim=True) / weight.sum()
        return mean, spread.sqrt()

    mean, spread = moments(small)
    wanted_mean, wanted_spread = moments(target)
    gain = ((wanted_spread + 1.0) / (spread + 1.0)).clamp(*_GAIN)
    shift = wanted_mean - gain * mean
    rest = (target - (gain * small + shift)).clamp(-_LARGEST_SHIFT, _LARGEST_SHIFT)
    field = _blur(rest * weight, _FIELD_BLUR) / _blur(weight, _FIELD_BLUR)
    return gain * edited + (F.interpolate(field, (size, size), mode="bilinear") + shift)


def _tensor(picture: NDArray[np.uint8] | NDArray[np.floating]) -> Tensor:
    """[S, S, 3] in 0..255 -> float32 [1, 3, S, S]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].contiguous().float()


@torch.inference_mode()
def crop_layer(
    photo_crop: Picture,
    reconstruction: NDArray[np.uint8] | NDArray[np.floating],
    edited: NDArray[np.uint8] | NDArray[np.floating],
) -> NDArray[np.float32]:
    """The edit as a layer over the photo: float32 [S, S, 4], all zero where the renders agree.

    All pictures [S, S, 3] RGB in 0..255. With `add` the first three channels (levels) and `cover` the last
    one (0..1), the edited photo is photo * (1 - cover) + add. Kept apart until both are in photo pixels:
    there `cover` removes what it covers exactly, with no ghost of texture that the crop had blurred.
    """
    if not photo_crop.shape == reconstruction.shape == edited.shape:
        raise ValueError(
            f"crop, reconstruction and edit differ in size: {photo_crop.shape}, "
            f"{reconstruction.shape}, {edited.shape}"
        )
    photo, before, after = _tensor(photo_crop), _tensor(reconstruction), _tensor(edited)
    difference = after - before
    alpha = change_amount(difference)
    render = match_colours(after, before, photo)
    layer = torch.cat([difference.addcmul_(alpha, render.sub_(difference)), alpha], dim=1)
    layer *= paste_mask(photo.shape[-1])
    return layer[0].permute(1, 2, 0).numpy()


def paste(
    photo_rgb: Picture,
    frame: FaceFrame,
    reconstruction: NDArray[np.uint8] | NDArray[np.floating],
    edited: NDArray[np.uint8] | NDArray[np.floating],
) -> Picture:
    """The photo with the edited face: uint8 [H, W, 3] RGB, a new array.

    photo_rgb: uint8 [H, W, 3]. reconstruction, edited: [S, S, 3] RGB in 0..255, S = frame.size: the renders
    of the face's latent before and after the edit.

    Untouched bit for bit: everything outside the mask (see `paste_mask`) and everything where the renders
    agree. Lightly changed places get the difference added and keep the photo's own texture; strongly changed
    ones show the edited render, matched to the photo's light.
    """
    x0, y0, layer = frame.warp_back(crop_layer(frame.crop(photo_rgb), reconstruction, edited))
    result = photo_rgb.copy()
    region = result[y0 : y0 + layer.shape[0], x0 : x0 + layer.shape[1]]
    values = region * (1 - layer[..., 3:]) + layer[..., :3]
    region[...] = np.clip(np.floor(values + 0.5), 0, 255)
    return result
