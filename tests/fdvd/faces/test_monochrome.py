"""Black and white photos stay black and white, sepia ones sepia."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.monochrome import tone_of, toned
from fdvd.faces.pasting import paste
from tests.paths import ASTRONAUT

Picture = NDArray[np.uint8]
PORTRAIT = ASTRONAUT
SEPIA = np.array([1.07, 0.97, 0.78])


def _portrait(tint: NDArray[np.float64]) -> Picture:
    """The portrait in one tone, as a colour JPEG would hold it."""
    grey = np.asarray(Image.open(PORTRAIT).convert("L"))[..., None] * tint
    stored = BytesIO()
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(stored, "JPEG", quality=85)
    return np.asarray(Image.open(stored))


def _frame() -> FaceFrame:
    corners = np.array([[100.0, 20.0], [100.0, 260.0], [340.0, 260.0], [340.0, 20.0]])
    return FaceFrame(corners, (512, 512), size=256)


@pytest.mark.parametrize("tint", [np.ones(3), SEPIA], ids=["grey", "sepia"])
@pytest.mark.parametrize("change", [10, 90], ids=["light", "strong"])
def test_an_edit_brings_no_colour_into_a_photo_without(tint: NDArray[np.float64], change: int) -> None:
    photo = _portrait(tint)
    frame = _frame()
    render = np.asarray(Image.open(PORTRAIT).convert("RGB").crop((100, 20, 340, 260)).resize((256, 256)))
    edited = render.copy()
    edited[60:200, 60:200] = (edited[60:200, 60:200] + np.array([change, 0, -change])).clip(0, 255)
    result = paste(photo, frame, render, edited)
    changed = (result != photo).any(axis=2)
    assert changed.sum() > 5000
    light = result[changed] @ np.array([0.299, 0.587, 0.114])
    tone = tone_of(photo)
    assert tone is not None
    away = np.abs(result[changed] - light[:, None] - tone[light.round().astype(int)])
    assert np.quantile(away, 0.95) < 8
    assert (paste(photo, frame, render, render) == photo).all()


def test_a_colour_photo_has_no_tone() -> None:
    portrait = np.asarray(Image.open(PORTRAIT).convert("RGB"))
    assert tone_of(portrait) is None
    faded = portrait * 0.35 + portrait.mean(axis=2, keepdims=True) * 0.65
    assert tone_of(faded.astype(np.uint8)) is None


def test_an_even_picture_does_not_tell_its_tone() -> None:
    assert tone_of(np.full((64, 64, 3), [205, 170, 135], np.uint8)) is None


def test_renders_take_the_tone_and_equal_pixels_stay_equal() -> None:
    tone = tone_of(_portrait(np.ones(3)))
    assert tone is not None
    pixels = np.array([[[255, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)
    grey = toned(pixels, tone)
    assert (np.ptp(grey, axis=2) <= 1).all() and (grey[0, 0] == grey[0, 1]).all()
    assert grey[0, 0, 0] > grey[0, 2, 0]  # red is lighter than blue
