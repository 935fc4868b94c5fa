"""The FFHQ rule, the crop and the inverse warp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fdvd.faces.alignment import FaceFrame, ffhq_quad
from fdvd.faces.detection import DetectedFace, load_detector
from tests.paths import ASTRONAUT
from vl_backbone.common.errors import InputError

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]
# Where FFHQ's alignment puts the five points in a 1024 px crop (for these, the quad is the whole crop).
CANONICAL = np.array([[384.0, 480.0], [640.0, 480.0], [512.0, 640.0], [412.0, 800.0], [612.0, 800.0]])


def _astronaut() -> Picture:
    with Image.open(ASTRONAUT) as image:
        return np.array(image.convert("RGB"))


def _turned(points: Floats, degrees: float, scale: float, shift: tuple[float, float]) -> Floats:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + shift


def _smooth(height: int, width: int) -> Picture:
    """A smooth colourful picture: what it is at any point is known, and resampling hardly changes it."""
    y, x = np.mgrid[:height, :width] + 0.5
    waves = (np.sin(2 * np.pi * x / 97), np.cos(2 * np.pi * y / 71), np.sin(2 * np.pi * (x + y) / 131))
    return np.stack([np.floor(128 + 100 * wave).astype(np.uint8) for wave in waves], axis=2)


def _square(centre: tuple[float, float], side: float, degrees: float = 0.0) -> Floats:
    unit = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])
    return _turned(unit, degrees, side, centre)


def test_the_rule_by_hand() -> None:
    # Eyes 256 apart, mouth 320 below: the larger of 2*256 and 1.8*320 is half a side; both axes upright.
    quad = ffhq_quad(CANONICAL)
    half, centre = 576.0, (512.0, 512.0)
    np.testing.assert_allclose(quad, _square(centre, 2 * half), atol=1e-9)


@given(
    degrees=st.floats(-180, 180),
    scale=st.floats(0.01, 10),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_the_quad_moves_with_the_face(degrees: float, scale: float, shift: tuple[float, float]) -> None:
    moved = ffhq_quad(_turned(CANONICAL, degrees, scale, shift))
    np.testing.assert_allclose(moved, _turned(ffhq_quad(CANONICAL), degrees, scale, shift), atol=1e-6)
    sides = np.linalg.norm(np.roll(moved, -1, axis=0) - moved, axis=1)
    np.testing.assert_allclose(sides, sides[0], rtol=1e-9)


def test_points_that_make_no_face() -> None:
    with pytest.raises(InputError):
        ffhq_quad(np.zeros((5, 2)))
    with pytest.raises(InputError):
        ffhq_quad(np.full((5, 2), np.nan))
    with pytest.raises(ValueError, match="five points"):
        ffhq_quad(np.zeros((68, 2)))


def test_bad_quads() -> None:
    with pytest.raises(ValueError, match="finite"):
        FaceFrame(np.full((4, 2), np.inf), (10, 10))
    with pytest.raises(ValueError, match="parallel"):
        FaceFrame(np.array([[0, 0], [0, 10], [10, 10], [14, 0.0]]), (10, 10))
    with pytest.raises(InputError):
        FaceFrame(np.zeros((4, 2)), (10, 10))


def test_a_frame_of_another_photo_is_refused() -> None:
    frame = FaceFrame(_square((50, 50), 60), (100, 100))
    with pytest.raises(ValueError, match="photo"):
        frame.crop(np.zeros((100, 120, 3), np.uint8))


def test_the_crop_of_the_astronaut_is_aligned_like_ffhq() -> None:
    rgb = _astronaut()
    detector = load_detector()
    for degrees in (0, 25, -30):
        image = np.array(Image.fromarray(rgb).rotate(degrees, Image.Resampling.BICUBIC, center=(225, 120)))
        face = detector.detect(image)[0]
        frame = FaceFrame.from_detection(face, (512, 512))
        again = detector.detect(frame.crop(image))[0]
        eyes = again.landmarks[:2]
        assert np.abs(eyes[:, 1] - 480).max() < 30, degrees
        assert abs(eyes[:, 0].mean() - 512) < 30 and abs(eyes[1, 0] - eyes[0, 0] - 245) < 30
        np.testing.assert_allclose(frame.to_photo(again.landmarks), face.landmarks, atol=6)


def test_an_aligned_picture_of_the_crops_size_is_the_crop() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    frame = FaceFrame.from_aligned(rgb)
    assert (frame.crop(rgb) == rgb).all()
    assert frame.quad.tolist() == [[0, 0], [0, 1024], [1024, 1024], [1024, 0]]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (300, 200), (1100, 1500), (2048, 2048)])
def test_aligned_pictures_of_any_size(height: int, width: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    frame = FaceFrame.from_aligned(rgb)
    crop = frame.crop(rgb)
    assert crop.shape == (1024, 1024, 3)
    x, y, x1, y1 = (round(v) for v in frame.box)  # type: ignore[union-attr]
    np.testing.assert_allclose(crop.mean((0, 1)), rgb[y:y1, x:x1].mean((0, 1)), atol=1.5)


@settings(max_examples=20, deadline=None)
@given(
    degrees=st.floats(-180, 180),
    side=st.floats(150, 900),
    centre=st.tuples(st.floats(100, 700), st.floats(100, 500)),
)
def test_every_crop_pixel_is_the_photo_at_its_place(degrees: float, side: float, centre: tuple[float, float]) -> None:
    photo = _smooth(600, 800)
    frame = FaceFrame(_square(centre, side, degrees), (800, 600), size=256)
    crop = frame.crop(photo)
    points = np.random.default_rng(0).uniform(4, 252, (200, 2)).astype(int)
    places = frame.to_photo(points + 0.5)
    inside = ((places > 3) & (places < [797, 597])).all(axis=1)
    x, y = places[inside].T
    waves = (np.sin(2 * np.pi * x / 97), np.cos(2 * np.pi * y / 71), np.sin(2 * np.pi * (x + y) / 131))
    expected = 127.5 + 100 * np.stack(waves, axis=1)
    got = crop[points[inside, 1], points[inside, 0]].astype(float)
    assert np.abs(got - expected).max(initial=0) < 9  # shrinking by up to 3.5 flattens the waves a little
    np.testing.assert_allclose(frame.to_crop(places), points + 0.5, atol=1e-6)


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_shrinking_does_not_alias(degrees: float) -> None:
    y, x = np.mgrid[:3000, :3000]
    checks = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    crop = FaceFrame(_square((1500, 1500), 2100, degrees), (3000, 3000), size=512).crop(checks)
    assert np.abs(crop.astype(int) - 127.5).max() < 8


@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_photos_much_smaller_than_the_quad_are_mirrored(size: int) -> None:
    photo = np.full((size, size, 3), [10, 120, 230], dtype=np.uint8)
    for degrees in (0.0, 33.0):
        crop = FaceFrame(_square((size / 2, size / 2), 20 * size, degrees), (size, size)).crop(photo)
        assert (crop == [10, 120, 230]).all()


def test_the_border_is_mirrored() -> None:
    photo = _smooth(200, 200)
    crop = FaceFrame(_square((0, 100), 200), (200, 200), size=200).crop(photo)
    assert np.abs(crop[:, 1:100][:, ::-1].astype(int) - crop[:, 101:]).max() <= 1


@settings(max_examples=20, deadline=None)
@given(degrees=st.floats(-180, 180), side=st.floats(5, 1500), x=st.floats(-200, 1000), y=st.floats(-200, 800))
def test_the_inverse_warp_carries_what_is_there_and_nothing_else(
    degrees: float, side: float, x: float, y: float
) -> None:
    frame = FaceFrame(_square((x, y), side, degrees), (800, 600), size=128)
    zero = frame.warp_back(np.zeros((128, 128, 3), np.float32))
    assert (zero.values == 0).all()
    ones = frame.warp_back(np.ones((128, 128, 1), np.float32))
    rows, columns = np.mgrid[: ones.values.shape[0], : ones.values.shape[1]] + 0.5
    places = frame.to_crop(np.stack([columns.ravel() + ones.x0, rows.ravel() + ones.y0], axis=1))
    outside = ((places < -1e-3) | (places > 128 + 1e-3)).any(axis=1)
    edge = 3 * max(1.0, 128 / side)
    deep = ((places > edge) & (places < 128 - edge)).all(axis=1)
    values = ones.values.reshape(-1)
    assert (values[outside] == 0).all()
    np.testing.assert_allclose(values[deep], 1, atol=1e-4)


@pytest.mark.parametrize("side", [60, 128, 500])
def test_the_inverse_warp_undoes_the_crop(side: int) -> None:
    photo = _smooth(600, 800)
    frame = FaceFrame(_square((390, 310), side, 17.0), (800, 600), size=256)
    patch = frame.warp_back(frame.crop(photo).astype(np.float32))
    height, width = patch.values.shape[:2]
    original = photo[patch.y0 : patch.y0 + height, patch.x0 : patch.x0 + width].astype(float)
    rows, columns = np.mgrid[:height, :width] + 0.5
    places = frame.to_crop(np.stack([columns + patch.x0, rows + patch.y0], axis=2).reshape(-1, 2))
    deep = ((places > 24) & (places < 232)).all(axis=1).reshape(height, width)
    assert np.abs(patch.values - original)[deep].max() < 5


def test_a_face_outside_the_photo_touches_nothing() -> None:
    frame = FaceFrame(_square((-900, 50), 100), (200, 100))
    assert frame.warp_back(np.ones((1024, 1024, 3), np.float32)).values.size == 0


def test_the_frame_keeps_what_the_detector_said() -> None:
    face = DetectedFace(np.array([1.0, 2, 3, 4]), 0.97, CANONICAL)
    frame = FaceFrame.from_detection(face, (1200, 1100))
    assert frame.box is face.box and frame.score == 0.97 and frame.size == 1024
    with pytest.raises(ValueError, match="read-only"):
        frame.quad[0, 0] = 5
