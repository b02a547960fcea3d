"""The contrast over sizes: its slope, its test, and what it needs."""

import math

import numpy as np
import pytest

from xstilts_hpc.statistics.intervals import Levels
from xstilts_hpc.statistics.trend import trend


def by_seeds(slope: float, noise: float, seed: int) -> dict[Levels, dict[int, float]]:
    """Return five sets of seeds with scores at four sizes and the baseline."""
    random = np.random.default_rng(seed)
    return {
        Levels(i, i, i): {0: 0.1}
        | {size: 0.5 + slope * math.log10(size) + random.normal(0, noise) for size in (100, 1_000, 10_000, 100_000)}
        for i in range(5)
    }


def test_the_slope_is_that_of_a_factor_of_ten_and_the_baseline_is_left_out() -> None:
    found = trend(by_seeds(0.02, 0.0, 0))
    assert found.value == pytest.approx(0.02) and found.p_value() < 1e-6


def test_it_holds_its_level() -> None:
    rejected = sum(trend(by_seeds(0.0, 0.01, seed)).p_value() < 0.05 for seed in range(400))
    assert rejected / 400 == pytest.approx(0.05, abs=0.03)


def test_two_sizes_are_no_trend() -> None:
    scores = {levels: {size: sizes[size] for size in (0, 100, 1_000)} for levels, sizes in by_seeds(0.1, 0, 0).items()}
    assert math.isnan(trend(scores).value)
    assert math.isnan(trend({}).value)
