"""Sign-flip tests and corrections for many tests against known answers, and the level they hold."""

import math

import numpy as np
import pytest
from scipy import stats

from xstilts_hpc.statistics.intervals import Levels
from xstilts_hpc.statistics.permutation import benjamini_hochberg, holm, seeds_flipped_p, sign_flip_p


def test_few_differences_are_tested_exactly() -> None:
    assert sign_flip_p([1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip_p([1.0, 2.0, -3.0]) == 1.0
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_it_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 12)
    expected = stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p(values) == pytest.approx(expected)


def test_many_differences_are_tested_by_a_sample() -> None:
    values = np.random.default_rng(4).normal(0.12, 1, 300)
    assert sign_flip_p(values, draws=20_000) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip_p(np.ones(300)) == pytest.approx(1 / 10_001)


def test_no_differences_are_an_error() -> None:
    with pytest.raises(ValueError, match="no differences"):
        sign_flip_p([])


def test_it_holds_its_level() -> None:
    random = np.random.default_rng(5)
    rejected = sum(sign_flip_p(random.standard_t(3, 12)) <= 0.05 for _ in range(600))
    assert rejected / 600 == pytest.approx(0.05, abs=0.025)


def test_sets_of_seeds_that_share_none_are_flipped_one_by_one() -> None:
    assert seeds_flipped_p([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [Levels(i, i, i) for i in range(6)]) == 2 / 2**6
    assert math.isnan(seeds_flipped_p([1.0] * 5, [Levels(i, i, i) for i in range(5)]))


def test_sets_that_share_a_seed_are_flipped_together() -> None:
    pairs = [Levels(i, i, j) for i in range(6) for j in (2 * i, 2 * i + 1)]
    assert seeds_flipped_p([1.0] * 12, pairs) == 2 / 2**6
    crossed = [Levels(i, i, j) for i in range(6) for j in range(2)]
    assert math.isnan(seeds_flipped_p([1.0] * 12, crossed))
    assert math.isnan(seeds_flipped_p([1.0] * 6, [Levels(i, i, 0) for i in range(6)]))
    same_examples = [Levels(i // 2, i, i) for i in range(12)]
    assert seeds_flipped_p([1.0] * 12, same_examples) == 2 / 2**6


def test_a_training_that_there_is_not_is_nothing_that_sets_share() -> None:
    assert seeds_flipped_p([1.0] * 6, [Levels(i, i, None) for i in range(6)]) == 2 / 2**6
    assert seeds_flipped_p([1.0] * 6, [Levels(None, i, i) for i in range(6)]) == 2 / 2**6
    assert seeds_flipped_p([1.0] * 6, [Levels(i, 0, i) for i in range(6)]) == 2 / 2**6


def test_flipping_examples_alone_finds_gains_that_other_seeds_do_not_have() -> None:
    # two systems without a true difference, 1,000 examples; the mean of three runs of each varies by 1.2 points
    random, rejected = np.random.default_rng(7), 0
    for _ in range(200):
        chances = 0.6 + random.normal(0, 0.02, (2, 3, 1))
        right = random.random((2, 3, 1_000)) < chances
        rejected += sign_flip_p(right[0].mean(axis=0) - right[1].mean(axis=0), draws=400) <= 0.05
    assert rejected / 200 == pytest.approx(0.23, abs=0.05)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_leaves_out_what_was_not_tested() -> None:
    found = holm([0.02, math.nan, 0.04])
    assert found[0] == pytest.approx(0.04) and math.isnan(found[1]) and found[2] == pytest.approx(0.04)


def test_the_false_discovery_rate_by_hand() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert benjamini_hochberg([]) == []
    found = benjamini_hochberg([0.02, math.nan, 0.9])
    assert found[0] == pytest.approx(0.04) and math.isnan(found[1]) and found[2] == pytest.approx(0.9)


def test_the_false_discovery_rate_agrees_with_scipy() -> None:
    values = np.random.default_rng(6).random(40) ** 3
    assert benjamini_hochberg(list(values)) == pytest.approx(stats.false_discovery_control(values))
