"""Intervals of a mean over runs that holds for other seeds and for other examples.

Two levels vary: the seeds (which examples an intermediate training saw, its order, its heads; those of the training on
the target) and the examples of the test set, which all runs share. The variance of the mean is the sum of both parts:
that over seeds is estimated from the runs, that over examples by a bootstrap. What examples do to single runs shows in
both, and counts once. Resampling three to five seeds as well would give intervals that are far too short, so the
interval is Student's with Satterthwaite's degrees of freedom (Satterthwaite 1946); tests/statistics/test_intervals.py
and tests/results/test_simulated_truth.py measure how often it holds the truth.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# Of fewer runs the values are listed, without an interval.
FEWEST_RUNS = 3
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """The seeds of one run: which examples its intermediate training saw, that training's own, its target training's.

    Runs may share any of them. None is a training that there is not, which runs share nothing by.
    """

    data: Hashable
    train: Hashable
    target: Hashable


@dataclass(frozen=True)
class Estimate:
    """A mean over runs, its standard error (NaN where there are too few runs), and the error's degrees of freedom.

    `seeds` and `examples` are the two parts of the variance; what differs by run and example is in `examples`, which is
    NaN where it was not measured.
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

    @property
    def seeds_alone(self) -> bool:
        """Say whether there is an interval, but for other seeds on the same examples."""
        return self.known and math.isnan(self.examples)

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

    `draws[runs, draws]` are the values of the same runs on resampled examples (see resampling.py); without them the
    interval holds for other seeds on the same examples.
    """
    if not len(values):
        return Estimate(math.nan)
    mean = float(np.mean(values))
    if len(values) < FEWEST_RUNS:
        return Estimate(mean)
    by_examples = np.zeros((len(values), 0)) if draws is None else draws - draws.mean(axis=1, keepdims=True)
    part = _over_seeds(np.asarray(values, dtype=np.float64), by_examples, levels)
    examples = 0.0 if draws is None else float(np.var(draws.mean(axis=0), ddof=1))
    seeds = max(0.0, part.variance - part.by_examples)
    freedom = (seeds + examples) ** 2 / part.variance**2 * part.freedom if part.variance else math.inf
    return Estimate(mean, math.sqrt(seeds + examples), freedom, seeds, math.nan if draws is None else examples)


@dataclass(frozen=True)
class _Part:
    """A variance of the mean, how much of it examples make (since they do not do the same to all runs), its freedom."""

    variance: float
    by_examples: float
    freedom: float


def _over_seeds(values: Floats, by_examples: Floats, levels: Sequence[Levels]) -> _Part:
    """Return the variance of the mean over seeds.

    Runs that share a seed are not independent: the variances of grouping by each seed are added, those of grouping by
    two together, which stand in both, are taken off, that by all three is added again (Cameron, Gelbach and Miller
    2011). A seed that is the same for all says nothing of others.
    """
    seeds = [[each.data for each in levels], [each.train for each in levels], [each.target for each in levels]]
    # seeds that always go together group the runs alike, and count once
    groupings = list(dict.fromkeys(tuple(map(names.index, names)) for names in seeds if len(set(names)) > 1))
    if not groupings:
        return _between(values, by_examples, list(range(len(values))))
    by_number = [
        [_between(values, by_examples, list(zip(*chosen, strict=True))) for chosen in combinations(groupings, number)]
        for number in range(1, len(groupings) + 1)
    ]
    single = by_number[0]
    largest = max(single, key=lambda part: part.variance)
    signed = [(1 - 2 * (taken % 2), part) for taken, parts in enumerate(by_number) for part in parts]
    variance = sum(sign * part.variance for sign, part in signed)
    if variance <= largest.variance:
        return largest
    added = sum(part.variance for part in single)
    freedom = added**2 / sum(part.variance**2 / part.freedom for part in single)
    return _Part(variance, sum(sign * part.by_examples for sign, part in signed), freedom)


def _between(values: Floats, by_examples: Floats, names: Sequence[Hashable]) -> _Part:
    """Return the variance of the mean where runs of one name stand and fall together.

    Names may have different numbers of runs: each counts by its share of the runs.
    """
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    groups = len(index)
    runs = np.column_stack([values, by_examples])
    sums = np.zeros((groups, runs.shape[1]))
    np.add.at(sums, [index[name] for name in names], runs - runs.mean(axis=0))
    variances = groups / (groups - 1) * (sums**2).sum(axis=0) / len(values) ** 2
    of_examples = float(variances[1:].mean()) if variances.size > 1 else 0.0
    return _Part(float(variances[0]), of_examples, groups - 1)
