"""Pasting back: nothing but the edit may change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import load_detector
from fdvd.faces.pasting import paste, paste_mask
from tests.paths import ASTRONAUT

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]
SIZE = 256


def _square(centre: tuple[float, float], side: float, degrees: float = 0.0) -> Floats:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    unit = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])
    return side * unit @ rotation.T + centre


def _noise(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _places(frame: FaceFrame) -> Floats:
    """Crop coordinates [H, W, 2] of every photo pixel's centre."""
    width, height = frame.photo_size
    rows, columns = np.mgrid[:height, :width] + 0.5
    return frame.to_crop(np.stack([columns, rows], axis=2).reshape(-1, 2)).reshape(height, width, 2)


FRAMES = {
    "inside": ((200.0, 150.0), 120.0, 20.0),
    "smaller than a crop pixel": ((200.0, 150.0), 3.0, 45.0),
    "touching the border": ((380.0, 290.0), 220.0, -35.0),
    "larger than the photo": ((200.0, 150.0), 2000.0, 170.0),
    "outside": ((-900.0, 150.0), 100.0, 0.0),
}


@pytest.mark.parametrize("where", FRAMES)
def test_no_edit_gives_the_photo_exactly(where: str) -> None:
    photo = _noise(300, 400)
    centre, side, degrees = FRAMES[where]
    frame = FaceFrame(_square(centre, side, degrees), (400, 300), size=SIZE)
    render = _noise(SIZE, SIZE, 1)
    result = paste(photo, frame, render, render.copy())
    assert (result == photo).all() and result is not photo
    floats = np.random.default_rng(2).uniform(0, 255, render.shape).astype(np.float32)
    assert (paste(photo, frame, floats, floats) == photo).all()


@pytest.mark.parametrize("where", FRAMES)
def test_nothing_outside_the_mask_changes(where: str) -> None:
    photo = _noise(300, 400)
    centre, side, degrees = FRAMES[where]
    frame = FaceFrame(_square(centre, side, degrees), (400, 300), size=SIZE)
    result = paste(photo, frame, _noise(SIZE, SIZE, 1), _noise(SIZE, SIZE, 2))
    places = _places(frame)
    outside = ((places < 0) | (places > SIZE)).any(axis=2)
    assert (result[outside] == photo[outside]).all()
    if where in ("inside", "touching the border", "larger than the photo"):
        assert (result != photo).any()


def test_a_crop_that_is_there_already_is_not_cut_again() -> None:
    photo, before, after = _noise(300, 400), _noise(SIZE, SIZE, 1), _noise(SIZE, SIZE, 2)
    frame = FaceFrame(_square(*FRAMES["inside"]), (400, 300), size=SIZE)
    expected = paste(photo, frame, before, after)
    crop = frame.crop(photo)
    assert (paste(photo, frame, before, after, crop=crop) == expected).all()
    assert (paste(photo, frame, before, after, crop=crop // 4) != expected).any(), "its light is the crop's"


def test_only_the_changed_place_changes() -> None:
    photo = _noise(300, 400)
    frame = FaceFrame(_square((200, 150), 260, 12), (400, 300), size=SIZE)
    before = _noise(SIZE, SIZE, 1)
    after = before.copy()
    after[100:140, 90:150] = 255 - after[100:140, 90:150]
    result = paste(photo, frame, before, after)
    places = _places(frame)
    reach = 4  # the warp's kernel
    far = ((places < [90 - reach, 100 - reach]) | (places > [150 + reach, 140 + reach])).any(axis=2)
    assert (result[far] == photo[far]).all()
    assert (result[~far] != photo[~far]).any(axis=-1).mean() > 0.7


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    side=st.floats(2, 700),
    degrees=st.floats(-180, 180),
    x=st.floats(-50, 250),
    y=st.floats(-50, 200),
)
def test_any_frame_keeps_its_promises(seed: int, side: float, degrees: float, x: float, y: float) -> None:
    photo = _noise(150, 200, seed)
    frame = FaceFrame(_square((x, y), side, degrees), (200, 150), size=64)
    before, after = _noise(64, 64, seed + 1), _noise(64, 64, seed + 2)
    assert (paste(photo, frame, before, before) == photo).all()
    result = paste(photo, frame, before, after)
    assert result.dtype == np.uint8 and result.shape == photo.shape
    places = _places(frame)
    # A pixel on the very edge may fall to either side of it by rounding.
    outside = ((places < -1e-3) | (places > 64 + 1e-3)).any(axis=2)
    assert (result[outside] == photo[outside]).all()


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_the_mask_is_soft_and_ends_before_the_border(size: int) -> None:
    mask = paste_mask(size)[0, 0].numpy()
    rim = max(1, int(0.015 * size))
    assert mask[:rim].max() == mask[-rim:].max() == mask[:, :rim].max() == mask[:, -rim:].max() == 0
    assert mask[size // 2, size // 2] == 1 and mask.max() == 1 and mask.min() == 0
    assert mask[: size // 12, : size // 12].max() == 0  # rounded
    assert np.abs(np.diff(mask, axis=0)).max() < 20 / size
    assert (mask == mask.T).all() and (mask == mask[::-1]).all()


def test_a_light_change_keeps_the_photos_texture() -> None:
    rng = np.random.default_rng(0)
    photo = (120 + rng.normal(0, 12, (400, 400, 3))).clip(0, 255).astype(np.uint8)
    frame = FaceFrame(_square((200, 200), 300), (400, 400), size=512)
    render = np.full((512, 512, 3), 110, np.uint8)
    result = paste(photo, frame, render, render + np.array([8, 0, 0], np.uint8))
    middle = np.s_[150:250, 150:250]
    assert (result[middle].astype(int) - photo[middle] == [8, 0, 0]).all()


def test_a_strong_change_is_the_render_in_the_photos_light() -> None:
    # The photo is the reconstruction in dimmer, warmer light; the edit draws a pale disc.
    y, x = np.mgrid[:512, :512]
    shape = 40 * np.sin(x / 40) * np.cos(y / 50)
    render = np.repeat((130 + shape)[..., None], 3, axis=2)
    light, bias = np.array([0.9, 0.85, 0.8]), np.array([0.0, -6.0, -10.0])
    photo = np.floor(render * light + bias).astype(np.uint8)
    edited = render.copy()
    disc = (x - 256) ** 2 + (y - 280) ** 2 < 60**2
    edited[disc] = [230, 225, 235]
    frame = FaceFrame(_square((256, 256), 512), (512, 512), size=512)
    result = paste(photo, frame, render, edited)
    core = (x - 256) ** 2 + (y - 280) ** 2 < 45**2
    assert np.abs(result[core] - (np.array([230, 225, 235]) * light + bias)).max() < 12
    assert (result[~disc] == photo[~disc]).all()


def test_a_spot_the_reconstruction_missed_does_not_stay_behind() -> None:
    # The photo has a dark fringe on the forehead; neither render has it, and the edit changes all around it.
    photo = np.full((512, 512, 3), 180, np.uint8)
    fringe = np.s_[190:250, 220:290]
    photo[fringe] = 60
    render = np.full((512, 512, 3), 180, np.uint8)
    edited = render.copy()
    edited[90:420, 110:400] = 100
    spot = np.s_[180:260, 210:300]
    edited[spot] = render[spot] + np.uint8(3)
    frame = FaceFrame(_square((256, 256), 512), (512, 512), size=512)
    result = paste(photo, frame, render, edited)
    assert result[210:230, 245:265].mean() > 150
    # Without a change around it the fringe is the photo's and stays.
    light = paste(photo, frame, render, render + np.uint8(3))
    assert (light[fringe] == 63).all()


def test_a_wrong_skin_hue_does_not_tint_white_hair() -> None:
    render = np.full((512, 512, 3), [215, 170, 160], np.uint8)
    photo = np.full((512, 512, 3), [205, 170, 135], np.uint8)
    edited = render.copy()
    edited[30:200, 100:400] = 235
    frame = FaceFrame(_square((256, 256), 512), (512, 512), size=512)
    hair = paste(photo, frame, render, edited)[100, 250].astype(int)
    assert hair.max() - hair.min() < 40 and hair.min() > 195


def test_mismatched_pictures_are_refused() -> None:
    frame = FaceFrame(_square((20, 20), 30), (40, 40), size=64)
    with pytest.raises(ValueError, match="differ in size"):
        paste(_noise(40, 40), frame, _noise(64, 64), _noise(32, 32))


def test_an_aligned_picture_round_trips() -> None:
    for side in (16, 64, 300):
        photo = _noise(side, side + 7)
        frame = FaceFrame.from_aligned(photo, size=SIZE)
        crop = frame.crop(photo)
        assert (paste(photo, frame, crop, crop) == photo).all()


def test_glasses_on_two_faces_of_one_photo() -> None:
    with Image.open(ASTRONAUT) as image:
        one = image.convert("RGB")
    sheet = Image.new("RGB", (900, 512), "gray")
    sheet.paste(one, (0, 0))
    sheet.paste(one.resize((380, 380)), (515, 60))
    photo = np.array(sheet)
    faces = load_detector().detect(photo)
    assert len(faces) == 2
    result = photo
    for face in faces:
        frame = FaceFrame.from_detection(face, sheet.size)
        # A stand-in for the generator: softer and darker than the photo.
        soft = Image.fromarray(frame.crop(photo)).filter(ImageFilter.GaussianBlur(6))
        render = ImageEnhance.Brightness(soft).enhance(0.85)
        edited = render.copy()
        left, right = frame.to_crop(face.landmarks[:2])
        for x, y in (left, right):
            box = (x - 110, y - 80, x + 110, y + 80)
            ImageDraw.Draw(edited).rounded_rectangle(box, 30, outline=(20, 20, 25), width=20)
        before = result
        result = paste(result, frame, np.array(render), np.array(edited))
        changed = (result != before).any(axis=2)
        assert 0.01 < changed.sum() / face.area < 0.6
        drawn = frame.to_photo([[left[0], left[1] - 70], [right[0], right[1] + 70]])
        for column, row in np.floor(drawn).astype(int):
            assert result[row, column].max() < 90
        # The eyes and the mouth are the photo's own.
        for column, row in np.floor(face.landmarks).astype(int):
            assert (result[row, column] == before[row, column]).all()
