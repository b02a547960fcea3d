"""Learning curves: how a score depends on the size of the intermediate training set, and which form fits best.

Forms are fitted to the mean over sets of seeds at each size. Two things move such means: the seeds, and the examples of
the test set, which all runs share. The covariance of both is measured, the second on resampled test sets, and the forms
are compared by AICc (Hurvich and Tsai 1989) under it. Intervals are those of fits to scores drawn anew from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xstilts_hpc.statistics.forms import DECADE, EXACT, FEWEST_SIZES, PARAMETERS, Fit, Floats, Form, Sizes
from xstilts_hpc.statistics.intervals import FEWEST_RUNS, LEVEL

# n90 is identified where it is in this share of fits to scores drawn anew.
_IDENTIFIED = 0.9


@dataclass(frozen=True)
class Curve:
    """What is known of a curve: its fits, best first, intervals of n90 and of the scores at some sizes.

    `why_not` says why n90 is not identified ("" where it is). An end of its interval is infinite where it lies beyond
    ten times the largest size. Bands are [sizes, 2], NaN without enough seeds. With `seeds_alone` all these hold for
    other seeds on the same examples.
    """

    fits: tuple[Fit, ...]
    why_not: str
    n90: float
    n90_interval: tuple[float, float]
    at: tuple[float, ...]
    band: Floats
    seeds_alone: bool

    @property
    def known(self) -> bool:
        """Say whether there are sets of seeds enough to tell which form it has."""
        return not np.isnan(self.band).any()

    @property
    def best(self) -> Fit:
        """Return the form with the lowest AICc."""
        return self.fits[0]


def curve(  # noqa: PLR0913 - scores with what is known of them, and how they are drawn anew
    sizes: Sequence[float],
    scores: Floats,
    *,
    at: Sequence[float],
    examples: Floats | None = None,
    worth: Sequence[float] = (),
    draws: int = 1_000,
    seed: int = 0,
) -> Curve:
    """Fit a curve to `scores[sets, sizes]` (NaN: no such run), with intervals for other seeds and other examples.

    `examples[sets, draws, sizes]` are the same scores on resampled test sets; without them intervals hold for other
    seeds on the same examples. `worth[sizes]` says for how many sets the runs of a size count, where sets share runs.
    The form is that with the lowest AICc; n90 is identified where that is the power law inside its bounds, and so in
    nine of ten draws at least. ValueError where there are no sizes, or one is negative.
    """
    noise = _noise(scores, examples, np.minimum(worth or len(scores), (~np.isnan(scores)).sum(axis=0)))
    curved = Sizes.of(sizes, noise.of_form)
    means = np.nanmean(scores, axis=0)
    found = tuple(
        sorted((curved.fit(form, means) for form in curved.forms()), key=lambda fit: _aicc(fit, noise, scores))
    )
    best, nowhere = found[0], (math.nan, math.nan)
    why_not = _why_not(best, len(curved.n))
    bands = np.full((len(at), 2), np.nan)
    if len(scores) < FEWEST_RUNS:
        why_not = f"fewer than {FEWEST_RUNS} sets of seeds"
        return Curve(found, why_not, math.nan, nowhere, tuple(at), bands, examples is None)
    again = [curved.fit(best.form, means + one) for one in noise.drawn(draws, seed)]
    ends = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    bands = np.percentile([fit.at(at) for fit in again], ends, axis=0).T
    if not why_not and np.mean([_why_not(fit, len(curved.n)) == "" for fit in again]) < _IDENTIFIED:
        why_not = "other seeds or examples would often leave it open"
    if why_not:
        return Curve(found, why_not, math.nan, nowhere, tuple(at), bands, examples is None)
    within = [size if size <= DECADE * best.largest else math.inf for size in (fit.n90() for fit in again)]
    low, high = np.percentile(within, ends, method="inverted_cdf")
    return Curve(found, "", best.n90(), (float(low), float(high)), tuple(at), bands, examples is None)


@dataclass(frozen=True)
class _Noise:
    """What moves the mean scores at the sizes: each by itself (`single`, a variance at each), all alike, the examples.

    `freedom` belongs to the variances over seeds of single scores, `sets - 1` to that of what a set has in common;
    without two sets the first is not known. `points` is the number of scores, each counted by its worth.
    """

    single: Floats
    alike: float
    examples: Floats
    freedom: float
    sets: int
    points: float

    @property
    def known(self) -> bool:
        """Say whether the covariance is known, and not only its form."""
        return self.freedom > 0

    @property
    def of_form(self) -> Floats:
        """Return the covariance `[sizes, sizes]` of what changes the form; what moves all sizes alike does not."""
        return self.examples + np.diag(self.single) if self.known else np.eye(len(self.single))

    def drawn(self, draws: int, seed: int) -> Floats:
        """Return `[draws, sizes]` errors of the means, whose quantiles are Student's where a variance is estimated."""
        random, size = np.random.default_rng(seed), (draws, len(self.single))
        single = np.sqrt(self.single) * random.standard_normal(size)
        single *= np.sqrt(self.freedom / random.chisquare(self.freedom, (draws, 1)))
        alike = math.sqrt(self.alike) * random.standard_t(self.sets - 1, (draws, 1))
        lower = np.linalg.cholesky(self.examples + EXACT**2 * np.eye(size[1]))
        return single + alike + random.standard_normal(size) @ lower.T


def _noise(scores: Floats, examples: Floats | None, worth: Floats) -> _Noise:
    """Measure what moves the means of `scores[sets, sizes]`; what examples do to single runs counts once.

    Sizes whose runs are shared by sets say nothing of how much runs differ; that is measured at the others.
    """
    own = worth >= (~np.isnan(scores)).sum(axis=0)
    apart, (num_sets, num_sizes) = scores[:, own], scores.shape
    complete = not np.isnan(apart).any()
    freedom = (num_sets - 1) * (apart.shape[1] - 1) if complete else int(((~np.isnan(apart)).sum(axis=0) - 1).sum())
    nothing, points = np.zeros((num_sizes, num_sizes)), float(worth.sum())
    if freedom <= 0:
        return _Noise(np.zeros(num_sizes), 0.0, nothing, 0, num_sets, points)
    single = _apart(apart, complete=complete) / freedom
    by_examples, shared = 0.0, nothing
    if examples is not None:
        moved = examples - examples.mean(axis=1, keepdims=True)
        means = np.nanmean(moved, axis=0)
        shared = np.cov(means, rowvar=False).reshape(num_sizes, num_sizes)
        of_runs = [_apart(one, complete=complete) for one in moved[:, :, own].swapaxes(0, 1)]
        by_examples = float(np.mean(of_runs)) / freedom
    levels = np.nanmean(apart - np.nanmean(apart, axis=0), axis=1)
    alike = float(np.var(levels, ddof=1)) / num_sets if complete else 0.0
    return _Noise(max(0.0, single - by_examples) / worth, alike, shared, freedom, num_sets, points)


def _apart(scores: Floats, *, complete: bool) -> float:
    """Return the sum of squares around the means of the sizes, and of the sets where none of their runs is missing.

    What a complete set of seeds has in common at all sizes is no part of the form.
    """
    left = scores - np.nanmean(scores, axis=0)
    if complete:
        left = left - left.mean(axis=1, keepdims=True)
    return float(np.nansum(left**2))


def _aicc(fit: Fit, noise: _Noise, scores: Floats) -> float:
    """Return AICc of a fit; infinite where points are too few.

    Where the covariance is known its degrees of freedom make Student's likelihood; else its scale is fitted as well.
    """
    num_sizes = scores.shape[1]
    if noise.known:
        points, k = noise.points, PARAMETERS[fit.form] + noise.sets - 1
        freedom = noise.freedom / _share_of_seeds(noise) ** 2
        unlikely = (freedom + num_sizes) * math.log1p(fit.error / freedom) if freedom < math.inf else fit.error
    else:
        points, k = float(num_sizes), PARAMETERS[fit.form] + 1
        unlikely = points * math.log(max(fit.error / points, EXACT**2))
    return math.inf if points - k - 1 <= 0 else unlikely + 2 * k + 2 * k * (k + 1) / (points - k - 1)


def _share_of_seeds(noise: _Noise) -> float:
    """Return the share of seeds in the variance of what changes the form, at least a little."""
    centred = noise.examples - noise.examples.mean(axis=0)
    whole = float(noise.single.sum() + np.trace(centred - centred.mean(axis=1, keepdims=True)))
    return max(float(noise.single.sum()) / whole, 1e-6) if whole else 1.0


def _why_not(fit: Fit, num_sizes: int) -> str:
    """Return why a fit identifies no n90, "" where it does."""
    if num_sizes < FEWEST_SIZES:
        return f"fewer than {FEWEST_SIZES} sizes"
    if fit.form is not Form.POWER:
        return f"a {fit.form} curve fits best"
    if not fit.inside:
        return "a parameter lies at its bound"
    if fit.n90() > DECADE * fit.largest:
        return f"it lies beyond {DECADE:g} times the largest size"
    return ""
