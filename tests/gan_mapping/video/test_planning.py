"""From sightings to what is edited."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_mapping.video.pivots import geometric_median, sample_times
from gan_mapping.video.plan import ClipPlan, FrameDetections
from gan_mapping.video.planning import make_plan
from tests.gan_mapping.video.clip_helpers import HEIGHT, WIDTH, face_at, seen
from vl_backbone.common.errors import InputError

RATE = 25.0


def plan(sightings: list[FrameDetections], face: str | int = "largest") -> ClipPlan:
    return make_plan(sightings, (WIDTH, HEIGHT), RATE, face)


def spans(made: ClipPlan) -> list[tuple[int, int]]:
    return [(run.start, run.stop) for run in made.runs]


def test_smoothing_does_not_reach_over_a_cut() -> None:
    left, right = [face_at(40, 50)], [face_at(120, 50)]
    made = plan(seen(*[left] * 20, *[right] * 20, cuts=[20]))
    assert [(shot.start, shot.stop) for shot in made.shots] == [(0, 20), (20, 40)]
    assert spans(made) == [(0, 20), (20, 40)]
    centres = np.concatenate([run.quads.mean(axis=1)[:, 0] for run in made.runs])
    np.testing.assert_allclose(centres[:20], 40, atol=1e-6)
    np.testing.assert_allclose(centres[20:], 120, atol=1e-6)


def test_quads_are_steadier_than_detections_and_follow_the_face() -> None:
    rng = np.random.default_rng(0)
    way = 60 + 20 * np.sin(np.arange(100) / 25 * 2)
    made = plan(seen(*[[face_at(x + rng.normal(0, 0.5), 50 + rng.normal(0, 0.5), 16 + rng.normal())] for x in way]))
    quads = made.runs[0].quads
    sides = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    assert np.abs(np.diff(sides, 2)).mean() < 0.3
    assert np.abs(quads.mean(axis=1)[:, 0] - way).mean() < 1.0


def test_a_face_lost_for_a_moment_is_interpolated() -> None:
    frames = [[face_at(50 + i, 50)] if not 10 <= i < 14 else [] for i in range(30)]
    run = plan(seen(*frames)).runs[0]
    assert (run.start, run.stop) == (0, 30)
    assert (run.scores[10:14] == 0).all() and (run.scores[:10] > 0).all()
    np.testing.assert_allclose(run.quads.mean(axis=1)[4:26, 0], 50 + np.arange(4, 26), atol=0.3)
    assert (run.presence == 1).all()


def test_the_edit_fades_where_a_face_comes_and_goes_amid_a_shot() -> None:
    run = plan(seen(*[[]] * 20, *[[face_at(60, 50)]] * 40, *[[]] * 20)).runs[0]
    assert (run.start, run.stop) == (20, 60)
    assert run.presence[0] < 0.2 and run.presence[-1] < 0.2 and run.presence[20] == 1
    assert (np.diff(run.presence[:20]) >= 0).all()


def test_a_glimpse_is_no_face() -> None:
    frames = [[face_at(40, 50)] + ([face_at(120, 50, 20)] if 30 <= i < 34 else []) for i in range(60)]
    assert len(plan(seen(*frames), "all").runs) == 1


def test_largest_all_and_numbers() -> None:
    big, small = face_at(40, 50, 20), face_at(120, 50, 12)
    both = seen(*[[big, small]] * 30)
    assert plan(both).runs[0].quads.mean(axis=(0, 1))[0] == pytest.approx(40)
    assert plan(both, 1).runs[0].quads.mean(axis=(0, 1))[0] == pytest.approx(120)
    every = plan(both, "all")
    assert len(every.runs) == 2 and len(every.lanes()) == 2
    assert plan(both, 2).runs == ()


def test_largest_goes_on_with_whoever_is_left() -> None:
    made = plan(seen(*[[face_at(40, 50, 20)]] * 30, *[[]] * 20, *[[face_at(120, 50, 14)]] * 30))
    assert spans(made) == [(0, 30), (50, 80)]
    assert len(made.lanes()) == 1


@pytest.mark.parametrize("face", ["smallest", "-1", -1, "1.5", ""])
def test_a_face_that_cannot_be_is_refused(face: str | int) -> None:
    with pytest.raises(InputError, match="face must be"):
        plan(seen([face_at(40, 50)]), face)


def test_no_frames_is_refused() -> None:
    with pytest.raises(InputError, match="no frames"):
        plan([])


def test_the_median_is_not_dragged_by_outliers() -> None:
    rng = np.random.default_rng(0)

    points = torch.from_numpy(rng.normal(0, 0.1, (20, 8))).float()
    points[:5] += 30
    assert float(geometric_median(points).norm()) < 0.5 < 5 < float(points.mean(0).norm())
    assert torch.equal(geometric_median(points[:1]), points[0])


def test_samples_are_spread_over_where_the_face_was_seen() -> None:
    scores = np.ones(100)
    scores[40:60] = 0
    times = sample_times(scores, 8)
    assert len(times) == 8 and times[0] == 0 and times[-1] == 99
    assert not set(times) & set(range(40, 60))
    assert sample_times(np.array([0.0, 0.9]), 8) == [1]
