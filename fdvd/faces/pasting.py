"""Brings an edited face back into the photo, touching nothing but the edit.

The photo is never replaced by a render: what is added to it is a *change*, made from the difference of two
renders (edited minus reconstruction). Where they agree the change is exactly zero, so an edit of strength 0
gives the photo back bit for bit, without a special case.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.monochrome import tone_of, toned

Picture = NDArray[np.uint8]
Render = NDArray[np.uint8] | NDArray[np.floating]

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
_TRUSTED = 40.0  # levels; larger differences of photo and reconstruction are not taken for light
_GAIN = (0.6, 1.6)
_REGIONS = 256  # side of the grid on which regions of change are found
_AMID_BLUR = 0.1  # sigma of the neighbourhood that makes a spot lie amid strong changes


def _smoothstep(x: Tensor) -> Tensor:
    x = x.clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [1, C, H, W], edges repeated."""
    width = 2 * max(1, round(3 * sigma)) + 1
    return gaussian_blur2d(x, (width, width), (sigma, sigma), border_type="replicate")


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


def change_amount(difference: Tensor, mismatch: Tensor) -> Tensor:
    """How far the render takes over from the photo.

    difference: [1, 3, S, S], edited minus reconstruction; mismatch: [1, 3, S, S], reconstruction in the
    photo's light minus photo; both in levels. Returns alpha [1, 1, S, S] in 0..1: 0 where the photo keeps its
    texture, 1 where the render is shown; exactly 0 where nothing changed.

    Strong changes are shown as rendered. So is a spot amid strong changes where the reconstruction missed the
    photo (a fringe it did not see): left alone it would stay behind as an island of the old picture.
    """
    size = difference.shape[-1]
    step = max(1, size // _REGIONS)
    strongest = difference.abs().amax(dim=1, keepdim=True)

    def region(levels: Tensor) -> Tensor:
        low = F.avg_pool2d(levels, step, ceil_mode=True)
        low = gaussian_blur(low, max(0.5, _CHANGE_BLUR * size / step))
        return _smoothstep((low - _LIGHT_CHANGE) / (_STRONG_CHANGE - _LIGHT_CHANGE))

    strong = region(strongest)
    amid = F.avg_pool2d(strong, 4, ceil_mode=True)
    amid = _smoothstep((gaussian_blur(amid, max(0.5, _AMID_BLUR * size / step / 4)) - 0.15) / 0.25)
    amid = F.interpolate(amid, strong.shape[2:], mode="bilinear")
    missed = region(mismatch.abs().amax(dim=1, keepdim=True))
    low = torch.maximum(strong, amid * missed)
    alpha = F.interpolate(low, (size, size), mode="bilinear")
    # The blur reaches beyond the change: cut it off there, but not at specks where renders agree by chance.
    return alpha * _closed(strongest > 0, _HOLE)


def match_light(reconstruction: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
    """The light of the photo, learnt from what both pictures [1, 3, S, S] (levels) show before the edit.

    Returns gain [1, 3, 1, 1] and field [1, 3, S, S]; render * gain + field is the render in the photo's
    light. The gain is that of the face as a whole; its colour counts half, because a miss of the skin's hue
    must not tint hair and clothes. The field is smooth and follows what is left from place to place; where
    the two pictures show different things (another hair line) it does not believe them.
    """
    size = photo.shape[-1]
    small, target = (F.interpolate(x, (_FIELD, _FIELD), mode="area") for x in (reconstruction, photo))
    face = _face_weight(_FIELD)
    means = [(x * face).sum((2, 3), keepdim=True) / face.sum() + 4.0 for x in (small, target)]
    ratio = means[1] / means[0]
    bright = means[1].mean(1, keepdim=True) / means[0].mean(1, keepdim=True)
    gain = (bright * (ratio / bright).sqrt()).clamp(*_GAIN)
    rest = target - gain * small
    trust = 1 / (1 + (rest.abs().amax(1, keepdim=True) / _TRUSTED) ** 4)
    field = gaussian_blur(rest * trust, _FIELD_BLUR) / (gaussian_blur(trust, _FIELD_BLUR) + 0.05)
    return gain, F.interpolate(field, (size, size), mode="bilinear")


def _tensor(picture: Render) -> Tensor:
    """[S, S, 3] in 0..255 -> float32 [1, 3, S, S]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].contiguous().float()


class Blend(NamedTuple):
    """How a render sits in its photo: light and extent, both fields of the crop.

    gain [1, 3, 1, 1] and field [1, 3, S, S]: see `match_light`; alpha [1, 1, S, S]: see `change_amount`.
    """

    gain: Tensor
    field: Tensor
    alpha: Tensor


def in_tone(photo_crop: Picture, reconstruction: Render, edited: Render) -> tuple[Render, Render]:
    """The renders [S, S, 3] in the tone of a photo that is black and white or sepia; as they are in a colour photo."""
    tone = tone_of(photo_crop)
    return (reconstruction, edited) if tone is None else (toned(reconstruction, tone), toned(edited, tone))


@torch.inference_mode()
def measure_blend(
    photo_crop: Picture,
    reconstruction: Render,
    edited: Render,
) -> Blend:
    """What the photo's crop and the two renders, all [S, S, 3] RGB in 0..255, say about light and extent."""
    if not photo_crop.shape == reconstruction.shape == edited.shape:
        raise ValueError(
            f"crop, reconstruction and edit differ in size: {photo_crop.shape}, {reconstruction.shape}, {edited.shape}"
        )
    photo, before, after = _tensor(photo_crop), _tensor(reconstruction), _tensor(edited)
    gain, field = match_light(before, photo)
    difference = after - before
    return Blend(gain, field, change_amount(difference, before.mul_(gain).add_(field).sub_(photo)))


@torch.inference_mode()
def crop_layer(
    reconstruction: Render,
    edited: Render,
    blend: Blend,
    region: Tensor | None = None,
) -> NDArray[np.float32]:
    """The edit as a layer over the photo: float32 [S, S, 4], all zero where nothing changes.

    All pictures [S, S, 3] RGB in 0..255. region: see `paste`. With `add` the first three channels (levels) and
    `cover` the last one (0..1), the edited photo is photo * (1 - cover) + add. Kept apart until both are in photo
    pixels: there `cover` removes what it covers exactly, with no ghost of texture that the crop had blurred.
    """
    before, after = _tensor(reconstruction), _tensor(edited)
    difference = after - before
    render = after.mul_(blend.gain).add_(blend.field)
    layer = torch.cat([difference.addcmul_(blend.alpha, render.sub_(difference)), blend.alpha], dim=1)
    layer *= paste_mask(after.shape[-1])
    if region is not None:
        layer *= region
    return layer[0].permute(1, 2, 0).numpy()


def paste(
    photo_rgb: Picture,
    frame: FaceFrame,
    reconstruction: Render,
    edited: Render,
    blend: Blend | None = None,
    region: Tensor | None = None,
    crop: Picture | None = None,
) -> Picture:
    """The photo with the edited face: uint8 [H, W, 3] RGB, a new array.

    photo_rgb: uint8 [H, W, 3]. reconstruction, edited: [S, S, 3] RGB in 0..255, S = frame.size: the renders
    of the face's latent before and after the edit. blend: light and extent, when the caller knows them better than
    this one picture does (a video steadies them over time, and puts its renders `in_tone`); None: measured here.
    region: [1, 1, S, S] in 0..1, how far the edit may show; None: everywhere. crop: frame.crop(photo_rgb), uint8
    [S, S, 3], from callers who have it already.

    Untouched bit for bit: everything outside the mask (see `paste_mask`) and everything where the renders
    agree. Lightly changed places get the difference added and keep the photo's own texture; strongly changed
    ones show the edited render, matched to the photo's light. A photo in one tone (black and white, sepia) stays so.
    """
    if blend is None:
        crop = frame.crop(photo_rgb) if crop is None else crop
        reconstruction, edited = in_tone(crop, reconstruction, edited)
        blend = measure_blend(crop, reconstruction, edited)
    x0, y0, layer = frame.warp_back(crop_layer(reconstruction, edited, blend, region))
    result = photo_rgb.copy()
    target = result[y0 : y0 + layer.shape[0], x0 : x0 + layer.shape[1]]
    values = target * (1 - layer[..., 3:]) + layer[..., :3]
    target[...] = np.clip(np.floor(values + 0.5), 0, 255)
    return result
