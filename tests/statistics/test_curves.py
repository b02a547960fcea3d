"""Curves over sizes: the generating form is found, n90 and its interval, and what is not identified is said."""

import math

import numpy as np
import pytest

from xstilts_hpc.statistics.curves import curve
from xstilts_hpc.statistics.forms import Form, Sizes

SIZES = [0, 100, 316, 1_000, 3_162, 10_000, 31_623, 100_000, 392_702]
TOP, SCALE, SHIFT, RATE = 0.80, 3.0, 500.0, 0.5


def scores_of(form: Form, seeds: int, noise: float, seed: int = 0) -> np.ndarray:
    """Return scores[seeds, sizes] of a known curve."""
    n = np.array(SIZES, dtype=np.float64)
    x = np.log10(n + 100)
    mean = {
        Form.CONSTANT: np.full(len(n), 0.7),
        Form.LINE: 0.5 + 0.05 * x,
        Form.PARABOLA: 0.3 + 0.25 * x - 0.035 * x**2,
        Form.POWER: TOP - SCALE * (n + SHIFT) ** -RATE,
    }[form]
    return mean + np.random.default_rng(seed).normal(0, noise, (seeds, len(n)))


@pytest.mark.parametrize("form", list(Form))
def test_the_generating_form_fits_best(form: Form) -> None:
    found = [curve(SIZES, scores_of(form, 5, 0.004, seed), at=SIZES, draws=10).best.form for seed in range(10)]
    assert found.count(form) >= 8


def test_a_power_law_without_noise_is_recovered() -> None:
    fit = Sizes.of(SIZES, np.eye(len(SIZES))).fit(Form.POWER, scores_of(Form.POWER, 1, 0.0)[0])
    assert fit.parameters == pytest.approx((TOP, SCALE, SHIFT, RATE), rel=0.05)
    assert fit.n90() == pytest.approx(SHIFT * (0.1 ** (-1 / RATE) - 1), rel=0.05)
    assert np.sqrt(fit.error / len(SIZES)) < 1e-4


def test_n90_and_its_interval() -> None:
    found = curve(SIZES, scores_of(Form.POWER, 5, 0.004), at=SIZES, draws=200)
    truth = SHIFT * (0.1 ** (-1 / RATE) - 1)
    low, high = found.n90_interval
    assert found.why_not == "" and low <= truth <= high and low <= found.n90 <= high
    assert found.band.shape == (len(SIZES), 2) and np.all(found.band[:, 0] <= found.band[:, 1])


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (Form.CONSTANT, "a constant curve fits best"),
        (Form.LINE, "a log-linear curve fits best"),
        (Form.PARABOLA, "a log-quadratic curve fits best"),
    ],
)
def test_what_is_no_power_law_has_no_n90_and_says_so(form: Form, why: str) -> None:
    found = curve(SIZES, scores_of(form, 5, 0.002), at=SIZES, draws=20)
    assert found.why_not == why and math.isnan(found.n90) and all(map(math.isnan, found.n90_interval))


def test_five_sizes_are_too_few_for_a_power_law() -> None:
    found = curve(SIZES[:5], scores_of(Form.POWER, 5, 0.001)[:, :5], at=[0], draws=20)
    assert Form.POWER not in {fit.form for fit in found.fits}
    assert found.why_not == "fewer than 6 sizes"


def test_two_sets_of_seeds_give_a_curve_but_no_interval() -> None:
    found = curve(SIZES, scores_of(Form.POWER, 2, 0.001), at=SIZES, draws=20)
    assert found.why_not == "fewer than 3 sets of seeds" and np.isnan(found.band).all()
    assert found.best.form is Form.POWER


def test_a_run_that_sets_share_is_one_observation() -> None:
    """Of constant scores a constant is named in most studies, also where one baseline and one full run serve all."""
    named = 0
    for study in range(40):
        scores = 0.6 + np.random.default_rng(study).normal(0, 0.004, (5, len(SIZES)))
        scores[:, [0, -1]] = scores[0, [0, -1]]
        worth = [1.0, *[5.0] * (len(SIZES) - 2), 1.0]
        named += curve(SIZES, scores, at=[100], worth=worth, draws=5).best.form is Form.CONSTANT
    assert named >= 30


def test_missing_runs_are_left_out() -> None:
    scores = scores_of(Form.LINE, 4, 0.001)
    scores[1, 3] = scores[2, 0] = np.nan
    found = curve(SIZES, scores, at=[1_000], draws=50)
    assert found.best.form is Form.LINE and found.best.parameters == pytest.approx((0.5, 0.05), abs=0.01)


def test_nothing_is_said_beyond_ten_times_the_largest_size() -> None:
    best = Sizes.of(SIZES, np.eye(len(SIZES))).fit(Form.POWER, scores_of(Form.POWER, 1, 0.001)[0])
    assert not np.isnan(best.at([3_927_020])).any()
    assert np.isnan(best.at([3_927_021])).all()


def test_the_band_holds_the_true_curve_where_seeds_are_few() -> None:
    truth = scores_of(Form.LINE, 1, 0.0)[0]
    held = []
    for seed in range(60):
        found = curve(SIZES, scores_of(Form.LINE, 5, 0.01, seed), at=SIZES, draws=150, seed=seed)
        held.append((found.band[:, 0] <= truth) & (truth <= found.band[:, 1]))
    assert 0.9 <= np.mean(held) <= 0.99


def test_points_that_make_no_curve_are_an_error() -> None:
    with pytest.raises(ValueError, match="0 sizes"):
        Sizes.of([], np.zeros((0, 0)))
    with pytest.raises(ValueError, match="none negative"):
        Sizes.of([-1], np.eye(1))


def test_what_the_examples_do_to_all_runs_of_a_size_is_no_part_of_the_form() -> None:
    """Examples bend a line by 1 point at each size, seeds by 0.1: without the first the bends are taken for a curve."""
    truth, random = scores_of(Form.LINE, 1, 0.0)[0], np.random.default_rng(0)
    named: dict[bool, list[Form]] = {True: [], False: []}
    for _ in range(30):
        bent = truth + random.normal(0, 0.01, len(SIZES)) + random.normal(0, 0.001, (5, len(SIZES)))
        examples = np.broadcast_to(random.normal(0, 0.01, (400, len(SIZES))), (5, 400, len(SIZES)))
        for known in named:
            found = curve(SIZES, bent, at=SIZES, examples=examples if known else None, draws=2)
            named[known].append(found.best.form)
    assert named[True].count(Form.LINE) >= 24
    assert named[False].count(Form.LINE) <= 10


def test_the_band_holds_for_other_examples_too() -> None:
    truth, random, held = scores_of(Form.LINE, 1, 0.0)[0], np.random.default_rng(5), []
    for seed in range(150):
        bent = truth + random.normal(0, 0.01, len(SIZES)) + random.normal(0, 0.003, (5, len(SIZES)))
        examples = np.broadcast_to(random.normal(0, 0.01, (400, len(SIZES))), (5, 400, len(SIZES)))
        found = curve(SIZES, bent, at=SIZES, examples=examples, draws=150, seed=seed)
        if found.best.form is Form.LINE:
            held.append((found.band[:, 0] <= truth) & (truth <= found.band[:, 1]))
    assert len(held) >= 120 and 0.9 <= np.mean(held) <= 0.99


def test_an_end_of_the_interval_beyond_a_decade_is_infinite() -> None:
    scores = TOP - SCALE * (np.array(SIZES[:7]) + 2_000.0) ** -0.5 + np.random.default_rng(3).normal(0, 5e-4, (5, 7))
    found = curve(SIZES[:7], scores, at=[0], draws=400)
    assert found.why_not == "" and found.n90 <= 10 * SIZES[6]
    assert found.n90_interval[1] == math.inf
