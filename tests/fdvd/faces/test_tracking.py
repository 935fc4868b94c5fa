from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from fdvd.faces.alignment import FaceFrame
from fdvd.faces.detection import DetectedFace
from fdvd.faces.smoothing import gaussian_smooth, smooth_quads
from fdvd.faces.tracking import find_tracks, overlap, track_faces
from vl_backbone.common.errors import InputError

FACE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def face_at(x: float, y: float, side: float, score: float = 0.99) -> DetectedFace:
    box = np.array([x, y, x + side, y + side], dtype=np.float64)
    return DetectedFace(box, score, FACE * side + (x, y))


class Script:
    """Answers what the test wrote down for each picture; the picture's first value is its number."""

    def __init__(self, faces: dict[int, list[DetectedFace]]) -> None:
        self.faces = faces
        self.asked: list[int] = []

    def detect(self, rgb: np.ndarray) -> list[DetectedFace]:
        self.asked.append(int(rgb[0, 0, 0]))
        return self.faces.get(int(rgb[0, 0, 0]), [])


def pictures(count: int):
    for number in range(count):
        yield np.full((4, 4, 3), number, dtype=np.uint8)


def test_follows_a_moving_face_past_a_larger_one_that_only_shows_up_briefly():
    faces = {n: [face_at(2.0 * n, 10, 50)] for n in range(20)}
    for n in range(3):
        faces[n + 8].insert(0, face_at(300, 300, 90))
    track = track_faces(pictures(20), Script(faces))
    assert len(track) == 20
    assert track.found.all() and track.tracked.all()
    np.testing.assert_allclose(track.boxes[:, 0], 2.0 * np.arange(20))


def test_fills_a_short_gap_by_interpolation_and_says_so():
    faces = {n: [face_at(4.0 * n, 10, 50)] for n in range(12) if n not in (4, 5, 6)}
    track = track_faces(pictures(12), Script(faces), min_overlap=0.2)
    assert np.flatnonzero(~track.found).tolist() == [4, 5, 6]
    assert track.tracked.all()
    np.testing.assert_allclose(
        track.landmarks[:, :, 0] - track.landmarks[0, :, 0], 4.0 * np.arange(12)[:, None] * np.ones(5)
    )


def test_a_face_lost_for_longer_than_the_gap_is_out_of_sight():
    faces = {n: [face_at(10, 10, 50)] for n in range(5, 10)}
    track = track_faces(pictures(30), Script(faces), max_gap=3)
    assert np.flatnonzero(track.tracked).tolist() == list(range(2, 13))
    assert np.isfinite(track.boxes).all()
    np.testing.assert_allclose(track.boxes[0], faces[5][0].box)


def test_two_faces_become_two_tracks_even_when_the_detector_changes_their_order():
    left, right = face_at(0, 0, 40), face_at(200, 0, 60)
    tracks = find_tracks(pictures(6), Script({n: [left, right] if n % 2 else [right, left] for n in range(6)}))
    assert [float(track.boxes[0, 0]) for track in tracks] == [200.0, 0.0]
    assert all((track.boxes == track.boxes[0]).all() for track in tracks)


def test_every_looks_at_fewer_frames():
    script = Script({n: [face_at(1.0 * n, 0, 50)] for n in range(13)})
    track = track_faces(pictures(13), script, every=4)
    assert script.asked == [0, 4, 8, 12]
    np.testing.assert_allclose(track.boxes[:, 0], np.arange(13))
    assert track.tracked.all()


@pytest.mark.parametrize("count", [0, 5])
def test_no_face_is_a_sentence(count):
    with pytest.raises(InputError, match="no face was found"):
        track_faces(pictures(count), Script({}))


def test_overlap():
    a = np.array([0.0, 0, 10, 10])
    assert overlap(a, a) == 1.0
    assert overlap(a, a + np.array([5, 0, 5, 0])) == pytest.approx(1 / 3)
    assert overlap(a, a + 20) == 0.0
    assert overlap(a * 0, a * 0) == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.floats(0.0, 6.0), st.integers(0, 1000))
def test_smoothing_equals_scipy(length, sigma, seed):
    values = np.random.default_rng(seed).normal(size=(length, 3))
    expected = gaussian_filter1d(values, sigma, axis=0) if int(4 * sigma + 0.5) > 0 else values
    np.testing.assert_allclose(gaussian_smooth(values, sigma), expected, atol=1e-10)


def shaking_quads(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    tracks = [face_at(100 + n, 80, 60).landmarks + random.normal(scale=1.5, size=(5, 2)) for n in range(count)]
    return track_faces(
        pictures(count), Script({n: [DetectedFace(face_at(100 + n, 80, 60).box, 1.0, p)] for n, p in enumerate(tracks)})
    ).quads()


def test_smoothing_steadies_the_crop_and_keeps_squares():
    quads = shaking_quads(60)
    smooth = smooth_quads(quads, 3.0)
    size = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    steady = np.linalg.norm(smooth[:, 3] - smooth[:, 0], axis=1)
    assert np.abs(np.diff(steady)).mean() < 0.2 * np.abs(np.diff(size)).mean()
    assert np.abs(smooth.mean(axis=(0, 1)) - quads.mean(axis=(0, 1))).max() < 1.0
    for quad in smooth:
        FaceFrame(quad, (640, 480))
        sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
        np.testing.assert_allclose(sides, sides[0])


def test_the_centre_follows_more_closely_than_the_axes():
    jump = np.repeat(FaceFrame.from_aligned(np.zeros((100, 100, 3), np.uint8)).quad[None], 21, axis=0)
    jump[10:] = jump[10:] * 2.0 + 7.0
    smooth = smooth_quads(jump)
    np.testing.assert_allclose(smooth[0], jump[0], atol=0.2)
    centre, width = smooth.mean(axis=1)[:, 0], smooth[:, 3, 0] - smooth[:, 0, 0]
    assert (width[7] - 100) / 100 > 0.1
    assert (centre[7] - 50) / 57 < 0.02


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_sigma_must_be_a_number_of_frames(sigma):
    with pytest.raises(ValueError, match="sigma"):
        smooth_quads(np.zeros((3, 4, 2)), sigma)


def test_quads_must_be_quads():
    with pytest.raises(ValueError, match="T, 4, 2"):
        smooth_quads(np.zeros((3, 5, 2)), 1.0)
    with pytest.raises(ValueError, match="finite"):
        smooth_quads(np.full((3, 4, 2), np.nan), 1.0)
