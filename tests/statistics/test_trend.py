"""The contrast over sizes: its slope, its test, and what it needs."""

import numpy as np
import pytest

from xstilts_hpc.statistics.intervals import Levels, estimate
from xstilts_hpc.statistics.trend import slopes

SIZES = (100, 1_000, 10_000, 100_000)


def scores(slope: float, noise: float, seed: int) -> np.ndarray:
    """Return the scores of five sets of seeds at four sizes."""
    random = np.random.default_rng(seed)
    return 0.5 + slope * np.log10(SIZES) + random.normal(0, noise, (5, len(SIZES)))


def test_the_slope_is_that_of_a_factor_of_ten() -> None:
    assert slopes(SIZES, scores(0.02, 0.0, 0)) == pytest.approx([0.02] * 5)


def test_it_holds_its_level() -> None:
    levels = [Levels(i, i, i) for i in range(5)]
    found = [estimate(slopes(SIZES, scores(0.0, 0.01, seed)).tolist(), levels).p_value() for seed in range(400)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_a_set_that_lacks_a_size_has_no_slope() -> None:
    some = scores(0.02, 0.0, 0)
    some[1, 3] = np.nan
    assert np.isnan(slopes(SIZES, some)).tolist() == [False, True, False, False, False]


def test_two_sizes_are_no_trend() -> None:
    assert np.isnan(slopes(SIZES[:2], scores(0.1, 0, 0)[:, :2])).all()
    assert not len(slopes((), np.zeros((0, 0))))
