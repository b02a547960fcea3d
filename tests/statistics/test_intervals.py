"""Intervals over seeds and examples: by hand, and how often they hold the truth in simulated studies."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from xstilts_hpc.statistics.intervals import Estimate, Levels, estimate
from xstilts_hpc.statistics.resampling import resampled_sums

STUDIES = 500
DRAWS = 200


def alone(count: int) -> list[Levels]:
    """Return the levels of runs that share no seed."""
    return [Levels(i, i, i) for i in range(count)]


def crossed(intermediate: int, target: int) -> list[Levels]:
    """Return the levels of a full product."""
    return [Levels(i, i, j) for i, j in product(range(intermediate), range(target))]


def test_over_seeds_alone_it_is_students_interval() -> None:
    values = [0.50, 0.53, 0.58, 0.51]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert estimate(values, alone(4)).interval() == pytest.approx(expected)
    one_target_seed = [Levels(i, i, 0) for i in range(4)]
    assert estimate(values, one_target_seed).interval() == pytest.approx(expected)


def test_its_p_value_is_that_of_students_test() -> None:
    values = [0.02, 0.01, 0.03, -0.005]
    assert estimate(values, alone(4)).p_value() == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_fewer_than_three_runs_have_no_interval() -> None:
    found = estimate([0.5, 0.6], alone(2))
    assert found.value == pytest.approx(0.55)
    assert not found.known and all(map(math.isnan, (*found.interval(), found.p_value())))
    assert math.isnan(estimate([], []).value)


def test_equal_values_have_an_interval_of_no_length() -> None:
    found = estimate([0.5] * 3, alone(3))
    assert found.interval() == (0.5, 0.5) and found.p_value() == 0.0
    assert estimate([0.0] * 3, alone(3)).p_value() == 1.0


def test_runs_that_share_a_seed_count_as_one() -> None:
    # three intermediate trainings, each followed by four target trainings that change nothing
    values = np.repeat([0.5, 0.6, 0.7], 4)
    found = estimate(list(values), crossed(3, 4))
    assert found.error == pytest.approx(stats.sem([0.5, 0.6, 0.7]))
    assert found.freedom == pytest.approx(2)


def test_examples_add_their_variance_and_much_freedom() -> None:
    draws = 0.5 + 0.02 * np.random.default_rng(0).standard_normal(5_000)
    found = estimate([0.49, 0.50, 0.51], alone(3), np.tile(draws, (3, 1)))
    assert found.examples == pytest.approx(0.02**2, rel=0.05)
    assert found.error == pytest.approx(math.sqrt(0.01**2 / 3 + found.examples))
    assert 20 < found.freedom < math.inf


def test_without_draws_an_interval_is_over_seeds_alone() -> None:
    assert estimate([0.49, 0.50, 0.51], alone(3)).seeds_alone
    assert not estimate([0.49, 0.50, 0.51], alone(3), np.full((3, 2), 0.5)).seeds_alone
    assert not estimate([0.49, 0.50], alone(2)).seeds_alone  # no interval at all


def test_what_examples_do_to_single_runs_counts_once() -> None:
    # runs that answer each of their own examples at random: seeds add nothing to the bootstrap's variance
    random = np.random.default_rng(0)
    right = (random.random((300, 400)) < 0.6).astype(np.float64)
    found = estimate(list(right.mean(axis=1)), alone(300), resampled_sums(right.T, 2_000, seed=0).T / 400)
    assert found.examples == pytest.approx(0.24 / 400 / 300, rel=0.2)
    assert found.seeds < 0.2 * found.examples


@pytest.mark.parametrize(
    ("levels", "spreads"),
    [
        (alone(3), {"train": 0.01}),
        (alone(5), {"train": 0.01}),
        ([Levels(i, i, 0) for i in range(5)], {"train": 0.02}),
        (crossed(3, 3), {"train": 0.01, "target": 0.01}),
        (crossed(5, 3), {"train": 0.02, "target": 0.005}),
        (crossed(5, 3), {}),
        ([Levels(i, j, 0) for i, j in product(range(3), range(3))], {"data": 0.02, "train": 0.01}),
        ([Levels(i, j, (i + j) % 3) for i, j in product(range(5), range(2))], {"data": 0.02}),
    ],
    ids=[
        "three runs",
        "five runs",
        "much between seeds",
        "3 x 3",
        "5 x 3",
        "examples alone",
        "3 data x 3",
        "5 data x 2",
    ],
)
def test_intervals_of_simulated_studies_hold_the_truth_in_92_to_98_per_cent(
    levels: list[Levels], spreads: dict[str, float]
) -> None:
    truth, units, random = 0.6, 400, np.random.default_rng(1)
    held = 0
    for study in range(STUDIES):
        right = (random.random(units) < truth).astype(np.float64)
        effects = {name: random.normal(0, spreads.get(name, 0.0), 10) for name in ("data", "train", "target")}
        values = [right.mean() + sum(effects[name][seed] for name, seed in vars(each).items()) for each in levels]
        draws = np.tile(resampled_sums(right[:, None], DRAWS, seed=study)[:, 0] / units, (len(levels), 1))
        low, high = estimate(values, levels, draws).interval()
        held += low <= truth <= high
    assert 0.92 <= held / STUDIES <= 0.98


def test_an_unknown_error_is_not_an_interval_of_no_length() -> None:
    assert not Estimate(0.5).known
