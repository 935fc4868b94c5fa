"""Where on an FFHQ-aligned picture an edit belongs: fixed regions, so that no network has to be trusted.

The alignment puts the eyes at about (.38, .46) and (.63, .46) of the side and the mouth at (.5, .73).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from fdvd.faces.pasting import gaussian_blur

# region -> boxes (top, bottom, left, right) in parts of the side
_BOXES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "eyes": ((0.34, 0.57, 0.20, 0.80),),
    "nose": ((0.42, 0.70, 0.36, 0.64),),
    "mouth": ((0.62, 0.86, 0.28, 0.72),),
    "jaw": ((0.58, 1.00, 0.18, 0.82),),
    "ears": ((0.40, 0.90, 0.08, 0.30), (0.40, 0.90, 0.70, 0.92)),
    "neck": ((0.84, 1.00, 0.10, 0.90),),
    "top": ((0.00, 0.48, 0.06, 0.94),),
    "head": ((0.02, 1.00, 0.08, 0.92),),
    "everything": ((0.0, 1.0, 0.0, 1.0),),
}
_FACE_CENTRE, _FACE_RADII = (0.58, 0.50), (0.36, 0.28)  # (down, right): the skin from forehead to chin
_BY_REGION: dict[str, tuple[str, ...]] = {
    "hair": (
        "black_hair",
        "brown_hair",
        "blond_hair",
        "red_hair",
        "gray_hair",
        "bald",
        "straight_hair",
        "wavy_hair",
        "curly_hair",
        "long_hair",
    ),
    "top": ("hat", "bangs", "receding"),
    "eyes": ("glasses", "sunglasses", "bags", "bushy_brows", "arched_brows", "narrow_eyes", "wide_eyes"),
    "nose": ("big_nose", "pointy_nose"),
    "mouth": ("lipstick", "big_lips"),
    "jaw": ("beard", "mustache", "stubble", "goatee", "doublechin"),
    "ears": ("earrings",),
    "neck": ("necklace",),
    "face": ("smile", "teeth", "frown", "makeup", "rosy", "wrinkles", "cheekbones"),
    "head": ("male", "age", "child", "pale", "dark_skin", "chubby", "thin", "asian"),
    "everything": ("look_left", "look_right"),
}
REGION_OF = {name: region for region, names in _BY_REGION.items() for name in names}
"""Attribute -> the region its edit may touch."""


def edited_region(attributes: Iterable[str], size: int) -> Tensor:
    """Attributes of an edit -> bool [size, size], True where it may change the picture; the rest is "outside"."""
    inside = torch.zeros(size, size, dtype=torch.bool)
    for name in attributes:
        inside |= _region(REGION_OF[name], size)
    return inside


# Where pasting lets go: regions are widened by this much and fade out softly. Parts of the side.
_WIDER, _SOFT, _GRID = 0.06, 0.03, 128
# These change the outline of the head or hair that may lie anywhere: pasted whole.
_WHOLE = frozenset({"bald", "long_hair", "straight_hair", "wavy_hair", "curly_hair"})
# Hair colours and hats leave eyes, nose, mouth and cheeks as they are; brows and bangs may follow.
_INNER_CENTRE, _INNER_RADII = (0.68, 0.50), (0.24, 0.20)


def paste_region(attributes: Collection[str], size: int) -> Tensor | None:
    """How far an edit of these attributes may show in the photo: float32 [1, 1, size, size] in 0..1.

    A generator moves a little of everything whatever is asked; outside of this soft region that is not wanted. None:
    everywhere, for what changes the whole head (age, gender, pose, hair style) and for no attributes at all.
    """
    places = {"hair" if name == "hat" else REGION_OF[name] for name in attributes}
    if not places or places & {"head", "everything"} or not _WHOLE.isdisjoint(attributes):
        return None
    return F.interpolate(_soft_region(frozenset(places)), (size, size), mode="bilinear")


@lru_cache(maxsize=16)
def _soft_region(places: frozenset[str]) -> Tensor:
    """The union of these regions on a coarse grid, widened and soft: [1, 1, grid, grid]."""
    wide = torch.zeros(_GRID, _GRID)
    for place in places:
        if place == "hair":
            wide = torch.maximum(wide, (~_ellipse(_INNER_CENTRE, _INNER_RADII, _GRID)).float())
        else:
            reach = 2 * round(_WIDER * _GRID) + 1
            hard = _region(place, _GRID).float()[None, None]
            wide = torch.maximum(wide, F.max_pool2d(hard, reach, stride=1, padding=reach // 2)[0, 0])
    return gaussian_blur(wide[None, None], _SOFT * _GRID)


def _region(name: str, size: int) -> Tensor:
    if name == "face":
        return _ellipse(_FACE_CENTRE, _FACE_RADII, size)
    if name == "hair":  # all of the head but the face itself
        return _region("head", size) & ~_region("face", size)
    mask = torch.zeros(size, size, dtype=torch.bool)
    for top, bottom, left, right in _BOXES[name]:
        mask[round(top * size) : round(bottom * size), round(left * size) : round(right * size)] = True
    return mask


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], size: int) -> Tensor:
    """bool [size, size]; centre and radii are (down, right) in parts of the side."""
    axis = (torch.arange(size) + 0.5) / size
    down = (axis[:, None] - centre[0]) / radii[0]
    right = (axis[None, :] - centre[1]) / radii[1]
    return down.square() + right.square() <= 1
