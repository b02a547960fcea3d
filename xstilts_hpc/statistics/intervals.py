"""Intervals of a mean over runs that holds for other seeds and for other examples.

Two levels vary: the seeds (which examples an intermediate training saw, its order, its heads; those of the training on
the target) and the examples of the test set, which all runs share. The variance of the mean is the sum of both parts:
that over seeds is estimated from the runs, that over examples by a bootstrap. Resampling three to five seeds as well
would give intervals that are far too short, so the interval is Student's with Satterthwaite's degrees of freedom
(Satterthwaite 1946); tests/statistics/test_intervals.py measures how often it holds the truth.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# Of fewer runs the values are listed, without an interval.
FEWEST_RUNS = 3
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """The seeds of one run: of its intermediate training and of its target training; runs may share either."""

    intermediate: Hashable
    target: Hashable


@dataclass(frozen=True)
class Estimate:
    """A mean over runs, its standard error (NaN where there are too few runs), and the error's degrees of freedom.

    `seeds` and `examples` are the two parts of the variance.
    """

    value: float
    error: float = math.nan
    freedom: float = math.nan
    seeds: float = math.nan
    examples: float = math.nan

    @property
    def known(self) -> bool:
        """Say whether there is an interval."""
        return not math.isnan(self.error)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the ends of the interval, NaN where there is none."""
        if not self.known:
            return math.nan, math.nan
        half = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error if self.error else 0.0
        return self.value - half, self.value + half

    def p_value(self) -> float:
        """Return the two-sided probability of a value as far from 0 where the truth is 0; NaN where it is not known."""
        if not self.known:
            return math.nan
        if not self.error:
            return float(self.value == 0)
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))


def estimate(values: Sequence[float], levels: Sequence[Levels], draws: Floats | None = None) -> Estimate:
    """Return the mean of some runs' values with its error.

    `draws[draws]` are means over the same runs, each on resampled examples (see resampling.py); without them the
    interval holds for other seeds on the same examples.
    """
    if not len(values):
        return Estimate(math.nan)
    mean = float(np.mean(values))
    if len(values) < FEWEST_RUNS:
        return Estimate(mean)
    parts = [_over_seeds(np.asarray(values, dtype=np.float64), levels)]
    if draws is not None:
        parts.append((float(np.var(draws, ddof=1)), math.inf))
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / spread if spread else math.inf
    return Estimate(mean, math.sqrt(variance), freedom, parts[0][0], sum(part for part, _ in parts[1:]))


def _over_seeds(values: Floats, levels: Sequence[Levels]) -> tuple[float, float]:
    """Return the variance of the mean over seeds, and its degrees of freedom.

    Runs that share a seed are not independent: the variances of grouping by either seed are added, and that of
    grouping by both, which stands in each of them, is taken off (Cameron, Gelbach and Miller 2011).
    """
    both = list(zip((each.intermediate for each in levels), (each.target for each in levels), strict=True))
    ones = [[each.intermediate for each in levels], [each.target for each in levels]]
    single = [_between(values, names) for names in ones if len(set(names)) > 1]
    if not single:
        return _between(values, list(range(len(values))))
    largest = max(single)
    if len(single) == 1 or len(set(ones[0])) == len(set(both)) or len(set(ones[1])) == len(set(both)):
        return largest
    variance = max(sum(part for part, _ in single) - _between(values, both)[0], largest[0])
    spread = sum(part**2 / freedom for part, freedom in single)
    return variance, sum(part for part, _ in single) ** 2 / spread if spread else largest[1]


def _between(values: Floats, names: Sequence[Hashable]) -> tuple[float, float]:
    """Return the variance of the mean where runs of one name stand and fall together; and the degrees of freedom.

    Names may have different numbers of runs: each counts by its share of the runs.
    """
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    of = np.array([index[name] for name in names])
    sums = np.bincount(of, weights=values - values.mean())
    groups = len(index)
    return float(groups / (groups - 1) * (sums**2).sum() / len(values) ** 2), groups - 1
