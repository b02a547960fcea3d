"""Resampled sums: their mean, their spread, and that runs on one test set are resampled together."""

import numpy as np
import pytest

from xstilts_hpc.statistics.resampling import resampled_sums


def test_every_draw_has_as_many_units_as_there_are() -> None:
    sums = resampled_sums(np.ones((37, 2)), 600, seed=0)
    assert sums.shape == (600, 2) and np.all(sums == 37)


def test_mean_and_spread_are_those_of_the_units() -> None:
    right = (np.arange(500) % 4 == 0).astype(np.float32)
    means = resampled_sums(right[:, None], 4_000, seed=1)[:, 0] / 500
    assert means.mean() == pytest.approx(0.25, abs=0.001)
    assert means.std() == pytest.approx(np.sqrt(0.25 * 0.75 / 500), rel=0.05)


def test_equal_runs_on_a_test_set_stay_equal_in_every_draw() -> None:
    counts = np.random.default_rng(0).integers(0, 3, (50, 3)).astype(np.float32)
    one, other = resampled_sums(counts, 20, seed=5), resampled_sums(counts, 20, seed=5)
    assert np.array_equal(one, other)
    stacked = resampled_sums(np.stack([counts, counts], axis=1), 20, seed=5)
    assert np.array_equal(stacked[:, 0], one) and np.array_equal(stacked[:, 1], one)
    assert not np.array_equal(one, resampled_sums(counts, 20, seed=6))
