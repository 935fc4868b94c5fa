"""The low-pass filter over a stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_mapping.video.lowpass import Sample, gaussian_taps, lowpass, radius_of


def filtered(values: list[float | None], runs: list[int | None], sigma: float) -> list[float | None]:
    samples = [
        Sample(i, run, None if value is None else torch.tensor([value]))
        for i, (value, run) in enumerate(zip(values, runs, strict=True))
    ]
    out = list(lowpass(samples, sigma))
    assert [sample.item for sample in out] == list(range(len(values)))
    assert [sample.run for sample in out] == runs
    return [None if sample.value is None else float(sample.value) for sample in out]


def direct(values: list[float], sigma: float) -> np.ndarray:
    """The same by the definition: a Gaussian mean over what there is."""
    taps, radius = gaussian_taps(sigma).numpy(), radius_of(sigma)
    out = []
    for i in range(len(values)):
        near = range(max(0, i - radius), min(len(values), i + radius + 1))
        weights = np.array([taps[radius + j - i] for j in near])
        out.append(np.dot(weights, [values[j] for j in near]) / weights.sum())
    return np.array(out)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.sampled_from([0.0, 0.5, 1.0, 2.5]))
def test_it_is_the_gaussian_mean_of_what_there_is(values: list[float], sigma: float) -> None:
    answer = filtered(list(values), [7] * len(values), sigma)
    np.testing.assert_allclose(np.array(answer, dtype=float), direct(values, sigma), atol=1e-5)


def test_runs_do_not_mix() -> None:
    values: list[float | None] = [0.0] * 6 + [None] * 2 + [9.0] * 6 + [1.0] * 6
    runs = [0] * 6 + [None] * 2 + [1] * 6 + [2] * 6
    assert filtered(values, runs, 2.0) == pytest.approx(values)


def test_work_taken_up_in_the_middle_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    values, sigma = rng.normal(size=40).tolist(), 1.5
    whole = filtered(values, [0] * 40, sigma)
    start = 17
    part = filtered(values[start - radius_of(sigma) :], [0] * (40 - start + radius_of(sigma)), sigma)
    assert part[radius_of(sigma) :] == whole[start:]


def test_it_lags_by_its_radius_and_no_more() -> None:
    taken = 0

    def samples():  # type: ignore[no-untyped-def]
        nonlocal taken
        for i in range(50):
            taken += 1
            yield Sample(i, 0, torch.zeros(1))

    for given_out, _ in enumerate(lowpass(samples(), 1.0), start=1):
        assert taken - given_out <= radius_of(1.0)


def test_jitter_falls_and_slow_motion_stays() -> None:
    t = np.arange(200) / 25
    slow = np.sin(2 * np.pi * 0.4 * t)
    noisy = slow + 0.1 * np.random.default_rng(1).normal(size=200)
    answer = np.array(filtered(noisy.tolist(), [0] * 200, 1.5), dtype=float)
    assert np.abs(np.diff(answer, 2)).mean() < 0.2 * np.abs(np.diff(noisy, 2)).mean()
    assert np.abs(answer - slow).mean() < 0.06


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_a_sigma_that_cannot_be_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        gaussian_taps(sigma)
