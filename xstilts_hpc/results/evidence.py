"""Scores and gains with their intervals: over the seeds of the runs, and over the examples of their test sets."""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
        return self._found((entry,), {target: languages})

    def gain(self, entry: Entry, target: str, languages: Sequence[str]) -> Found:
        """Return the mean over seeds of the score minus the baseline's with the same target seed."""
        return self.difference(entry, BASELINE, {target: languages})

    def difference(self, entry: Entry, other: Entry, languages: Mapping[str, Sequence[str]]) -> Found:
        """Return the mean over seeds of the score minus another entry's with the same seeds.

        `languages` are those of each target. Of several targets it is the difference averaged over them, and blank
        where any of their runs is missing, even with partial means.
        """
        return self._found((entry, other), languages)

    def _found(self, sides: tuple[Entry, ...], languages: Mapping[str, Sequence[str]]) -> Found:
        """Return the mean over seeds, and over targets, of the scores of the first side minus those of a second."""
        sets, runs = _runs(self.means, sides, tuple(languages))
        scores = [
            _minus([self.means.of_runs(side, target, languages[target]) for side in of_target])
            for target, of_target in runs.items()
        ]
        found = np.mean(scores, axis=0)
        values, there = tuple(map(float, found)), np.flatnonzero(~np.isnan(found))
        some = self.means.partial and len(languages) == 1
        if not len(there) or (len(there) < len(values) and not some):
            return Found(Estimate(math.nan), values)
        used = {target: [[side[i] for i in there] for side in of_target] for target, of_target in runs.items()}
        others = [side for of_target in used.values() for side in of_target[1:]]
        if not all(enough_runs([seeds for _, seeds in side]) for side in others):
            return Found(Estimate(float(found[there].mean())), values)
        draws = [self._minus_resampled(of_target, target, languages[target]) for target, of_target in used.items()]
        known = [one for one in draws if one is not None]
        levels = [levels_of(sets[i]) for i in there]
        resampled = np.mean(known, axis=0) if len(known) == len(draws) else None
        return Found(estimate(found[there].tolist(), levels, resampled), values, tuple(levels))

    def _minus_resampled(
        self, sides: Sequence[Sequence[tuple[Entry, Seeds]]], target: str, languages: Sequence[str]
    ) -> Floats | None:
        """Return what the first side has more than a second `[runs, draws]` on resampled test sets, None without."""
        draws = self.resampled([run for side in sides for run in side], target, languages)
        return None if draws is None else _minus(np.split(draws, len(sides)))

    def resampled(self, runs: Sequence[tuple[Entry, Seeds]], target: str, languages: Sequence[str]) -> Floats | None:
        """Return the mean over languages `[runs, draws]` on resampled test sets.

        None where some run has no such scores or another test set.
        """
        paths = _draw_paths(self.means)
        stacked = _stacked(tuple(paths.get((entry, target, seeds)) for entry, seeds in runs))
        if stacked is None or not set(languages) <= set(stacked.languages):
            return None
        columns = [stacked.languages.index(language) for language in languages]
        draws = stacked.scores[:, :, columns].mean(axis=2, dtype=np.float64)
        return np.asarray(draws[:, _order(target, draws.shape[1])])


def _minus(sides: Sequence[Sequence[float] | Floats]) -> Floats:
    """Return the first of one or two sides minus the second."""
    first, *others = (np.asarray(side, dtype=np.float64) for side in sides)
    return first - others[0] if others else first


# Asked again at once, for other languages.
@lru_cache(maxsize=8)
def _runs(
    means: Means, sides: tuple[Entry, ...], targets: tuple[str, ...]
) -> tuple[list[Seeds], dict[str, list[list[tuple[Entry, Seeds]]]]]:
    """Return the sets of seeds that all targets have of all sides, and the run of each set by target and side."""
    trained = [side for side in sides if not side.baseline] or sides
    sets = [
        seeds
        for seeds in trained_sets(means, sides[:1], targets)
        if all(seeds_at(means, side, one, seeds) in means.seeds(side, one) for side in trained for one in targets)
    ]
    runs = {
        one: [[(side, seeds_at(means, side, one, _asked_of(side, seeds))) for seeds in sets] for side in sides]
        for one in targets
    }
    return sets, runs


def _asked_of(side: Entry, seeds: Seeds) -> Seeds:
    return baseline_seeds(seeds) if side.baseline else seeds


def trained_sets(means: Means, entries: Iterable[Entry], targets: Sequence[str]) -> list[Seeds]:
    """Return the sets of seeds of some entries on some targets.

    A target without training of its own (retrieval) has no target seed, and belongs to every set with the same data and
    training seed.
    """
    found = dict.fromkeys(seeds for one in targets for entry in entries for seeds in means.seeds(entry, one))
    return [seeds for seeds in found if seeds[2] != UNUSED_SEED] or list(found)


def seeds_at(means: Means, entry: Entry, target: str, seeds: Seeds) -> Seeds:
    """Return the seeds of the run that a set of seeds has of an entry, on a single task.

    No data seed chooses the examples of a full training set: its run belongs to every set with the same training and
    target seed, and has one data seed of them by name only.
    """
    there = means.seeds(entry, target)
    alike = [found for found in there if are_alike(found, seeds, any_data=entry.full)]
    return seeds if seeds in there or not alike else alike[0]


def are_alike(found: Seeds, seeds: Seeds, *, any_data: bool) -> bool:
    """Say whether a run of some seeds belongs to a set of seeds; a full training set has any data seed."""
    same_data = any_data or found[0] == seeds[0]
    return same_data and found[1] == seeds[1] and found[2] in (seeds[2], UNUSED_SEED)


@lru_cache(maxsize=64)
def _order(target: str, draws: int) -> NDArray[np.int64]:
    """Return an order of draws of a target's own: test sets of as many units are drawn alike, whatever their task."""
    return np.random.default_rng(zlib.crc32(target.encode())).permutation(draws)


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


# Asked again at once, for other languages, and target by target after their mean; many runs make a large array.
@lru_cache(maxsize=12)
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
