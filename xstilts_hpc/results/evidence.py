"""Scores and gains with their intervals: over the seeds of the runs, and over the examples of their test sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from xstilts_hpc.metrics.base import Floats
from xstilts_hpc.plan import UNUSED_SEED
from xstilts_hpc.results.collect import asked
from xstilts_hpc.results.kept import Kept, kept
from xstilts_hpc.results.means import BASELINE, Entry, Key, Means, Seeds, baseline_seeds, key_of
from xstilts_hpc.scoring.draws import Draws
from xstilts_hpc.statistics.intervals import FEWEST_RUNS, Estimate, Levels, estimate
from xstilts_hpc.statistics.permutation import seeds_flipped_p


@dataclass(frozen=True)
class Found:
    """An estimate in fractions, and the value of each set of seeds (NaN where missing).

    A gain over fewer than three runs of the baseline has no interval. `levels` are the seeds of the values that there
    are, empty where there is no interval because of that or because the estimate is blank.
    """

    estimate: Estimate
    values: tuple[float, ...]
    levels: tuple[Levels, ...] = ()

    @property
    def examples(self) -> bool:
        """Say whether examples count in the interval.

        They do not where scores on resampled test sets are not there, or runs had other test sets.
        """
        return not math.isnan(self.estimate.examples)

    def permutation_p(self) -> float:
        """Return the p-value of no effect by flipping signs of independent sets of seeds, NaN where they are few."""
        there = [value for value in self.values if not math.isnan(value)]
        return seeds_flipped_p(there, self.levels) if self.levels else math.nan


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
            return Found(Estimate(math.nan), tuple(values))
        used = [seeds for _, seeds in there]
        if minus_baseline and not enough_runs([baseline_seeds(seeds) for seeds in used]):
            return Found(Estimate(float(np.mean([value for value, _ in there]))), tuple(values))
        runs = [(entry, seeds) for seeds in used]
        base = [(BASELINE, baseline_seeds(seeds)) for seeds in used if minus_baseline]
        draws = self.resampled((*runs, *base), target, languages)
        if draws is not None and minus_baseline:
            draws = draws[: len(runs)] - draws[len(runs) :]
        levels = [levels_of(seeds) for seeds in used]
        found = estimate([value for value, _ in there], levels, draws)
        return Found(found, tuple(values), tuple(levels))

    def resampled(self, runs: Sequence[tuple[Entry, Seeds]], target: str, languages: Sequence[str]) -> Floats | None:
        """Return the mean over languages `[runs, draws]` on resampled test sets.

        None where some run has no such scores or another test set.
        """
        paths = _draw_paths(self.means)
        stacked = _stacked(tuple(paths.get((entry, target, seeds)) for entry, seeds in runs))
        if stacked is None or not set(languages) <= set(stacked.languages):
            return None
        columns = [stacked.languages.index(language) for language in languages]
        return np.asarray(stacked.scores[:, :, columns].mean(axis=2, dtype=np.float64))


# The seeds of what is not trained at all.
UNTRAINED: Seeds = (UNUSED_SEED, UNUSED_SEED, UNUSED_SEED)


def levels_of(seeds: Seeds) -> Levels:
    """Return the seeds of a run as levels; a training that there is not is none."""
    data, train, target = (None if seed == UNUSED_SEED else seed for seed in seeds)
    return Levels(data, train, target)


def enough_runs(runs: Sequence[Seeds]) -> bool:
    """Say whether the runs that sets of seeds have at one size are three at least, as many as an interval takes.

    Sets that are fewer have no interval by themselves. What is not trained at all has no seeds that could vary.
    """
    different = set(runs)
    return len(different) >= min(FEWEST_RUNS, len(runs)) or different == {UNTRAINED}


# A grid's evidence is asked for by several tables and for every curve; the second is that without collapsed runs.
@lru_cache(maxsize=2)
def _draw_paths(means: Means) -> dict[Key, Path]:
    """Return where the scores of every cell on resampled test sets are kept."""
    scores = means.scores
    return {
        key_of(cell): kept(scores.root, cell.run, prediction).path
        for cell in means.plan.cells
        for prediction in asked(scores.plan, cell)
    }


@dataclass(frozen=True)
class _Stacked:
    """`scores[runs, draws, languages]` of several runs, in the languages in which all have the same test set."""

    languages: tuple[str, ...]
    scores: Floats


@lru_cache(maxsize=2)  # asked again at once, for other languages; many runs make a large array
def _stacked(paths: tuple[Path | None, ...]) -> _Stacked | None:
    """Return the scores of some runs; None where one has none.

    They are kept together for a while, because means are taken over many sets of their languages.
    """
    loaded = [load_draws(path) for path in paths if path is not None]
    draws = [one for one in loaded if one is not None]
    if not draws or len(draws) < len(paths):
        return None
    every = [dict(zip(one.languages, one.test_sets, strict=True)) for one in draws]
    shared = tuple(code for code, test_set in every[0].items() if all(one.get(code) == test_set for one in every))
    columns = [[one.languages.index(code) for code in shared] for one in draws]
    return _Stacked(shared, np.stack([one.headline[:, own] for one, own in zip(draws, columns, strict=True)]))


# Baselines are met again and again.
@lru_cache(maxsize=64)
def load_draws(path: Path) -> Draws | None:
    """Return the scores on resampled test sets of a run and task, None where they were not kept."""
    return Kept(path).draws()
