"""The face detector: agreement with the published implementation, sizes, several faces, odd pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fdvd.faces.detection import FaceDetector, load_detector
from fdvd.faces.detection.mtcnn import nms
from tests.paths import ASTRONAUT

Picture = NDArray[np.uint8]
# Measured once with the published implementation and the same weights.
BOX = [181.1, 62.2, 267.7, 172.1]
POINTS = [[205.0, 101.7], [246.8, 103.7], [224.7, 129.0], [201.7, 139.2], [245.3, 141.9]]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return load_detector()


@pytest.fixture(scope="module")
def astronaut() -> Picture:
    with Image.open(ASTRONAUT) as image:
        return np.array(image.convert("RGB"))


def _resized(rgb: Picture, width: int, height: int) -> Picture:
    return np.array(Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS))


def test_agrees_with_the_published_implementation(detector: FaceDetector, astronaut: Picture) -> None:
    (face,) = detector.detect(astronaut)
    assert face.score > 0.999
    np.testing.assert_allclose(face.box, BOX, atol=0.06)
    np.testing.assert_allclose(face.landmarks, POINTS, atol=0.06)


@pytest.mark.parametrize("side", [150, 300, 900, 1700, 3000])
def test_scale_changes_little(detector: FaceDetector, astronaut: Picture, side: int) -> None:
    faces = detector.detect(_resized(astronaut, side, side))
    assert len(faces) == 1
    face = faces[0]
    apart = np.linalg.norm(face.landmarks * 512 / side - POINTS, axis=1)
    assert apart.max() < 0.06 * (BOX[3] - BOX[1])


def test_several_faces_largest_first(detector: FaceDetector, astronaut: Picture) -> None:
    sheet = np.full((700, 900, 3), 128, dtype=np.uint8)
    sheet[:300, :300] = _resized(astronaut, 300, 300)
    sheet[100:612, 320:832] = astronaut
    sheet[400:620, 20:240] = _resized(astronaut, 220, 220)
    faces = detector.detect(sheet)
    assert len(faces) == 3
    assert faces[0].area > faces[1].area > faces[2].area
    assert faces[0].box[0] > 320 and faces[1].box[1] < 100 and faces[2].box[1] > 400


def test_small_face_in_a_large_photo_needs_the_second_pass(detector: FaceDetector, astronaut: Picture) -> None:
    photo = np.full((1500, 2000, 3), 128, dtype=np.uint8)
    photo[700:850, 1000:1150] = _resized(astronaut, 150, 150)
    (face,) = detector.detect(photo)
    np.testing.assert_allclose(face.box, np.array(BOX) * 150 / 512 + [1000, 700, 1000, 700], atol=6)


def test_face_cut_by_the_border(detector: FaceDetector, astronaut: Picture) -> None:
    faces = detector.detect(astronaut[80:, 195:])
    for face in faces:
        assert np.isfinite(face.landmarks).all()


@pytest.mark.parametrize("turn", [-20, 20])
def test_tilted_heads_have_tilted_eyes(detector: FaceDetector, astronaut: Picture, turn: int) -> None:
    image = Image.fromarray(astronaut).rotate(turn, Image.Resampling.BICUBIC, center=(225, 120))
    (face, *_) = detector.detect(np.array(image))
    eyes = face.landmarks[1] - face.landmarks[0]
    assert abs(np.degrees(np.arctan2(eyes[1], eyes[0])) + turn - 2.7) < 5


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 1000))
def test_no_size_crashes(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    load = _cached_detector()
    for rgb in (
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        np.zeros((height, width, 3), np.uint8),
    ):
        assert isinstance(load.detect(rgb), list)


_DETECTORS: list[FaceDetector] = []


def _cached_detector() -> FaceDetector:
    if not _DETECTORS:
        _DETECTORS.append(load_detector())
    return _DETECTORS[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (11, 11), (12, 12), (400, 400)])
def test_no_face_in_a_plain_picture(detector: FaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 90, dtype=np.uint8)) == []


def test_wrong_arrays_are_refused(detector: FaceDetector) -> None:
    for bad in (
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((10, 10, 4), np.uint8),
    ):
        with pytest.raises(ValueError, match="uint8"):
            detector.detect(bad)


def test_the_state_dict_is_loaded_strictly(detector: FaceDetector) -> None:
    weights = detector.state_dict()
    weights.pop("pnet.conv1.weight")
    with pytest.raises(RuntimeError, match=r"pnet\.conv1\.weight"):
        FaceDetector(weights)


def test_read_only_and_strided_arrays(detector: FaceDetector, astronaut: Picture) -> None:
    flipped = astronaut[:, ::-1]
    flipped.setflags(write=False)
    (face,) = detector.detect(flipped)
    assert abs((512 - face.box[2]) - BOX[0]) < 6
    assert face.landmarks[0, 0] < face.landmarks[1, 0]


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 30))
def test_nms_keeps_the_best_and_no_two_overlapping(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 50, (count, 2))
    boxes = np.hstack([start, start + rng.uniform(5, 40, (count, 2))])
    scores = rng.random(count)
    keep = nms(boxes, scores, 0.4)
    assert (np.diff(scores[keep]) <= 0).all()
    assert count == 0 or keep[0] == scores.argmax()
    kept = boxes[keep]
    again = nms(kept, scores[keep], 0.4)
    assert len(again) == len(keep)
