"""Scores by size: an intermediate training at several sizes, and the curve of its zero-shot scores on a target."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from xstilts_hpc.metrics.base import Floats
from xstilts_hpc.results.evidence import (
    UNTRAINED,
    Evidence,
    Found,
    are_alike,
    enough_runs,
    levels_of,
    seeds_at,
    trained_sets,
)
from xstilts_hpc.results.means import BASELINE, Entry, Mean, Means, Seeds, baseline_seeds
from xstilts_hpc.statistics.curves import Curve, curve
from xstilts_hpc.statistics.intervals import Estimate, estimate
from xstilts_hpc.statistics.trend import FEWEST_SIZES, slopes
from xstilts_hpc.tasks import task_of

# Curves are refitted so often for their intervals, which are given at so many sizes.
_REFITS = 400
# What stands for the mean over all targets where one target is asked for.
ALL_TARGETS = "mean"
_POINTS = 50


@dataclass(frozen=True)
class Series:
    """The entries of one intermediate training at several sizes, the smallest first."""

    entries: tuple[Entry, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the sizes."""
        return tuple(entry.size for entry in self.entries)

    @property
    def has_trend(self) -> bool:
        """Say whether there are sizes enough for a trend and a curve."""
        return len(self.entries) >= FEWEST_SIZES


def series_of(means: Means) -> list[Series]:
    """Return every intermediate training of the grid (and variant and schedule) with its sizes."""
    found: dict[Entry, list[Entry]] = {}
    for entry in means.entries:
        if not entry.baseline:
            found.setdefault(replace(entry, size=0, full=False), []).append(entry)
    return [Series(tuple(entries)) for entries in found.values()]


@dataclass(frozen=True)
class Slope:
    """The slope of a series per factor of ten in size, that of each set of seeds, and the sizes it is over.

    These are all but those with too few runs. A set of seeds that lacks one of them has no slope.
    """

    found: Found
    sizes: tuple[int, ...]


def slope(evidence: Evidence, series: Series, target: str) -> Slope:
    """Return the mean slope of the zero-shot score over the sets of seeds, blank where one is missing.

    With partial means it is over the sets that have every size.
    """
    means, sets = evidence.means, sets_of(evidence.means, series, target)
    if not sets:
        return Slope(Found(Estimate(math.nan), ()), ())
    entries = [entry for entry in series.entries if has_runs(means, entry, target, sets)]
    sizes = tuple(entry.size for entry in entries)
    scores = np.array([[score_at(means, entry, target, seeds) for entry in entries] for seeds in sets])
    by_set = slopes(sizes, scores)
    values, there = tuple(map(float, by_set)), ~np.isnan(by_set)
    used = [seeds for seeds, known in zip(sets, there, strict=True) if known]
    if not used or (len(used) < len(sets) and not means.partial):
        return Slope(Found(Estimate(math.nan), values), sizes)
    if not all(has_runs(means, entry, target, used) for entry in entries):
        return Slope(Found(Estimate(float(by_set[there].mean())), values), sizes)
    draws = resampled(evidence, [(entry, seeds) for seeds in used for entry in entries], target)
    if draws is not None:
        draws = slopes(sizes, draws.reshape(len(used), len(entries), -1).swapaxes(1, 2))
    levels = [levels_of(seeds) for seeds in used]
    return Slope(Found(estimate(by_set[there].tolist(), levels, draws), values, tuple(levels)), sizes)


@lru_cache(maxsize=1024)  # a table and a figure show each
def fitted(means: Means, series: Series, target: str) -> Curve | None:
    """Return the curve of the zero-shot score, the baseline as size 0; None where runs are missing."""
    sizes = (0, *series.sizes)
    sets = sets_of(means, series, target)
    by_set = [_runs(series, seeds) for seeds in sets]
    scores = np.array([[score_at(means, entry, target, seeds) for entry, seeds in runs] for runs in by_set])
    incomplete = np.isnan(scores[:, 1:]).any() and not means.partial
    if incomplete or np.isnan(scores).all(axis=0)[1:].any():
        return None
    there = np.flatnonzero(~np.isnan(scores).all(axis=0)).tolist()
    draws = _resampled_scores(Evidence(means), [run for runs in by_set for run in runs], scores, target)
    apart = _apart(sets)
    worth = [_worth(means, target, runs) for runs in zip(*by_set, strict=True)]
    return curve(
        tuple(sizes[i] for i in there),
        _over(apart, scores[:, there]),
        at=np.geomspace(series.sizes[0], series.sizes[-1], _POINTS).tolist(),
        examples=None if draws is None else _over(apart, draws[:, :, there]),
        worth=[worth[i] * len(set(apart)) for i in there],
        draws=_REFITS,
    )


def _apart(sets: Sequence[Seeds]) -> list[int]:
    """Return the number of the group of each set of seeds; sets of one group have the same examples or training seed.

    What these do to small sizes is much of what differs, so sets that share them are no repetitions of each other.
    """
    varied = (place for place in (0, 1) if len({seeds[place] for seeds in sets}) > 1)
    place = next(varied, None)
    names = list(sets) if place is None else [seeds[place] for seeds in sets]
    return [list(dict.fromkeys(names)).index(name) for name in names]


def _over(apart: Sequence[int], scores: Floats) -> Floats:
    """Return the means over the sets `[sets, ...]` of each group, NaN where a group has no score."""
    groups = [scores[np.equal(apart, group)] for group in range(max(apart) + 1)]
    known = [~np.isnan(group) for group in groups]
    return np.stack(
        [
            np.where(there.any(axis=0), np.nansum(group, axis=0) / np.maximum(there.sum(axis=0), 1), np.nan)
            for group, there in zip(groups, known, strict=True)
        ]
    )


def _worth(means: Means, target: str, at_size: Sequence[tuple[Entry, Seeds]]) -> float:
    """Return how many runs there are at one size for each set of seeds: 1, or less where sets share one.

    That of the mean over targets is what makes its variance that of their mean.
    """
    shares = []
    for one in targets_of(means, target):
        runs = {seeds_at(means, entry, one, seeds) for entry, seeds in at_size}
        shares.append(1.0 if runs == {UNTRAINED} else len(runs) / len(at_size))
    return 1 / float(np.mean([1 / share for share in shares]))


def has_runs(means: Means, entry: Entry, target: str, sets: Sequence[Seeds]) -> bool:
    """Say whether sets of seeds have different runs enough at one size for an interval of what depends on it."""
    return all(enough_runs([seeds_at(means, entry, one, seeds) for seeds in sets]) for one in targets_of(means, target))


def _runs(series: Series, seeds: Seeds) -> list[tuple[Entry, Seeds]]:
    return [(BASELINE, baseline_seeds(seeds)), *((entry, seeds) for entry in series.entries)]


def _resampled_scores(
    evidence: Evidence, runs: Sequence[tuple[Entry, Seeds]], scores: Floats, target: str
) -> Floats | None:
    """Return `scores[sets, sizes]` of some runs as `[sets, draws, sizes]`, NaN where a score is; None without them."""
    there = ~np.isnan(scores)
    found = resampled(evidence, [run for run, known in zip(runs, there.flat, strict=True) if known], target)
    if found is None:
        return None
    draws = np.full((*scores.shape, found.shape[1]), np.nan)
    draws[there] = found
    return draws.swapaxes(1, 2)


def resampled(evidence: Evidence, runs: Sequence[tuple[Entry, Seeds]], target: str) -> Floats | None:
    """Return the zero-shot scores of sets of seeds on resampled test sets `[runs, draws]`, None without them."""
    means = evidence.means
    found = [
        evidence.resampled(
            [(entry, seeds_at(means, entry, one, seeds)) for entry, seeds in runs], one, languages_of(means, one)
        )
        for one in targets_of(means, target)
    ]
    known = [one for one in found if one is not None]
    return np.mean(known, axis=0) if len(known) == len(found) else None


def sets_of(means: Means, series: Series, target: str) -> list[Seeds]:
    """Return the sets of seeds of the subsets of a series.

    Its full training set belongs to those with the same training and target seed. A set of which a run is left out at
    one size is left out at all.
    """
    subsets = [entry for entry in series.entries if not entry.full] or series.entries
    targets = targets_of(means, target)
    gone = [(entry, seeds) for entry, one, seeds in means.left_out if entry in series.entries and one in targets]
    return [
        seeds
        for seeds in trained_sets(means, subsets, targets)
        if not any(are_alike(found, seeds, any_data=entry.full) for entry, found in gone)
    ]


def targets_of(means: Means, target: str) -> tuple[str, ...]:
    """Return the tasks whose mean a target is: itself, or all that are asked."""
    return means.targets if target == ALL_TARGETS else (target,)


def score_at(means: Means, entry: Entry, target: str, seeds: Seeds) -> float:
    """Return the zero-shot score of a set of seeds at one size, NaN where it is missing."""
    if target == ALL_TARGETS:
        return float(np.mean([score_at(means, entry, one, seeds) for one in means.targets]))
    asked = seeds_at(means, entry, target, seeds)
    return means.over_languages(entry, target, asked, languages_of(means, target))


def zero_shot_mean(means: Means, entry: Entry, target: str) -> Mean:
    """Return the zero-shot score of an entry: the mean over languages without English, then over seeds."""
    if target == ALL_TARGETS:
        return means.over(zero_shot_mean(means, entry, one) for one in means.targets)
    return means.score(entry, target, languages_of(means, target))


def shown_targets(means: Means) -> tuple[str, ...]:
    """Return the targets of size curves: their mean, where there are several, then each."""
    return (ALL_TARGETS, *means.targets) if len(means.targets) > 1 else means.targets


def title_of(target: str) -> str:
    """Return what tables and figures call a target."""
    return "mean of the targets" if target == ALL_TARGETS else task_of(target).title


def languages_of(means: Means, target: str) -> Sequence[str]:
    """Return the languages whose mean is the zero-shot score: all but English, or all where there is no other."""
    return means.zero_shot(target) or means.languages(target)
