"""Scores and gains with their intervals: over the seeds of the runs, and over the examples of their test sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from xstilts_hpc.metrics.base import Floats
from xstilts_hpc.plan import Cell
from xstilts_hpc.results.collect import asked
from xstilts_hpc.results.kept import Kept, kept
from xstilts_hpc.results.means import BASELINE, Entry, Key, Means, Seeds, baseline_seeds, key_of
from xstilts_hpc.scoring.draws import Draws
from xstilts_hpc.statistics.intervals import Estimate, Levels, estimate


@dataclass(frozen=True)
class Found:
    """An estimate in fractions, the value of each set of seeds (NaN where missing), and whether examples count in it.

    `examples` is false where the scores on resampled test sets are not there, or runs had other test sets: the interval
    is then over seeds alone.
    """

    estimate: Estimate
    values: tuple[float, ...]
    examples: bool


@dataclass(frozen=True)
class Evidence:
    """The intervals of a grid's means."""

    means: Means

    def score(self, entry: Entry, target: str, languages: Sequence[str]) -> Found:
        """Return the mean over languages and seeds."""
        return self._found(entry, target, languages, minus_baseline=False)

    def gain(self, entry: Entry, target: str, languages: Sequence[str]) -> Found:
        """Return the mean over seeds of the score minus the baseline's with the same target seed."""
        return self._found(entry, target, languages, minus_baseline=True)

    def _found(self, entry: Entry, target: str, languages: Sequence[str], *, minus_baseline: bool) -> Found:
        sets = self.means.seeds(entry, target)
        by_seed = self.means.gain_by_seed if minus_baseline else self.means.by_seed
        values = by_seed(entry, target, languages)
        there = [(value, seeds) for value, seeds in zip(values, sets, strict=True) if not math.isnan(value)]
        if not there or (len(there) < len(values) and not self.means.partial):
            return Found(Estimate(math.nan), tuple(values), False)
        used = [seeds for _, seeds in there]
        draws = self._mean_draws(entry, target, used, languages, minus_baseline=minus_baseline)
        levels = [Levels((data, train), last) for data, train, last in used]
        return Found(estimate([value for value, _ in there], levels, draws), tuple(values), draws is not None)

    def _mean_draws(
        self, entry: Entry, target: str, sets: Sequence[Seeds], languages: Sequence[str], *, minus_baseline: bool
    ) -> Floats | None:
        """Return the mean over runs on resampled test sets, None where some run has none or another test set."""
        runs = tuple(self._draws.get((entry, target, seeds)) for seeds in sets)
        minus = tuple(self._draws.get((BASELINE, target, baseline_seeds(seeds))) for seeds in sets if minus_baseline)
        total = _total(runs, minus)
        if total is None or not set(languages) <= set(total.languages):
            return None
        columns = [total.languages.index(language) for language in languages]
        return np.asarray(total.sums[:, columns].mean(axis=1) / len(sets))

    @cached_property
    def _draws(self) -> dict[Key, Path]:
        """Return where the scores of every cell on resampled test sets are kept."""
        return {key_of(cell): path for cell in self.means.plan.cells for path in self._paths(cell)}

    def _paths(self, cell: Cell) -> list[Path]:
        scores = self.means.scores
        return [kept(scores.root, cell.run, prediction).path for prediction in asked(scores.plan, cell)]


@dataclass(frozen=True)
class _Total:
    """`sums[draws, languages]` of several runs on the same resampled test sets."""

    languages: tuple[str, ...]
    sums: Floats


@lru_cache(maxsize=256)
def _total(runs: tuple[Path | None, ...], minus: tuple[Path | None, ...]) -> _Total | None:
    """Return the sums of some runs less those of others; None where one has no draws, or another test set.

    They are added up for all languages at once, one run in memory at a time: many means are taken over each.
    """
    total: _Total | None = None
    test_sets = set[int]()
    for path, sign in (*((run, 1.0) for run in runs), *((run, -1.0) for run in minus)):
        draws = load_draws(path) if path is not None else None
        if draws is None or len(test_sets | {draws.test_set}) > 1:
            return None
        test_sets.add(draws.test_set)
        total = total or _Total(draws.languages, np.zeros(draws.headline.shape))
        total.sums[...] += sign * draws.headline
    return total


# Baselines are met again and again.
@lru_cache(maxsize=64)
def load_draws(path: Path) -> Draws | None:
    """Return the scores on resampled test sets of a run and task, None where they were not kept."""
    return Kept(path).draws()
