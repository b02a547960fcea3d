"""A task's scores on resampled test sets, in all its languages: what is kept of a run for intervals."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.metrics.base import Floats
from xstilts_hpc.scoring.counted import Counted, groups_across, parts_of
from xstilts_hpc.statistics.resampling import times_drawn
from xstilts_hpc.tasks.base import Task

# A standard error from so many draws is within 4 % of that from any number (1 / sqrt(2 * draws)).
DRAWS = 400


@dataclass(frozen=True)
class Draws:
    """`headline[draws, languages]`: the headline of a task in some languages on resampled test sets.

    Draw i takes the same examples whatever the run, so runs are compared on the same test sets. `test_sets` tell, for
    each language, runs whose examples differ or are not drawn together with the same ones.
    """

    languages: tuple[str, ...]
    headline: NDArray[np.float32]
    test_sets: tuple[int, ...]


def draws_of(task: Task, languages: Mapping[str, Counted]) -> Draws:
    """Return the headline in each language on resampled examples; those of parallel test sets are drawn together."""
    test_sets = {language: _test_set(language, one) for language, one in languages.items()}
    if task.parallel:
        together = _drawn_together(_TestSet(task.name, tuple(test_sets.values()), languages))
        test_sets = dict(together.test_sets)
    found = np.empty((DRAWS, len(languages)), dtype=np.float32)
    by_units: dict[int, dict[int, Floats]] = {}
    for column, (language, one) in enumerate(languages.items()):
        group, units = (together.group[language], together.units) if task.parallel else _own_groups(one)
        summed = [np.bincount(group, weights=each, minlength=units) for each in one.counts.T]
        counts: Floats = np.stack(summed, axis=1)
        if not task.parallel:
            counts = counts[_order(task.name, language, units)]
        by_units.setdefault(units, {})[column] = counts
    for units, columns in by_units.items():
        sums = _resampled(units, np.stack(list(columns.values()), axis=1))
        found[:, list(columns)] = _headline(task, sums)
    return Draws(tuple(languages), found, tuple(test_sets.values()))


def _resampled(units: int, counts: Floats) -> Floats:
    """Return sums `[draws, languages, k]` of `counts[units, languages, k]`: one product of matrices for all of them."""
    flat = counts.astype(np.float32).reshape(units, -1)
    return (_times(units).astype(np.float32) @ flat).reshape(DRAWS, *counts.shape[1:]).astype(np.float64)


def _own_groups(one: Counted) -> tuple[NDArray[np.int64], int]:
    groups, group = np.unique(one.group, return_inverse=True)
    return group, len(groups)


@dataclass(frozen=True)
class _TestSet:
    """The items of a parallel test set; runs that share it have the same checksums."""

    task: str
    checksums: tuple[int, ...]
    languages: Mapping[str, Counted] = field(compare=False)


@dataclass(frozen=True)
class _Together:
    """The group of each item, and a checksum of what is drawn with it, by language; and the number of groups."""

    group: Mapping[str, NDArray[np.int64]]
    test_sets: Mapping[str, int]
    units: int


@lru_cache(maxsize=4)
def _drawn_together(test_set: _TestSet) -> _Together:
    """Return which items of a parallel test set are drawn together: found once for all runs that share it."""
    groups = groups_across(test_set.languages)
    units = max(int(group.max(initial=-1)) + 1 for group in groups.values())
    of_language = zip(groups.items(), test_set.checksums, strict=True)
    test_sets = {
        language: zlib.crc32(f"{units}".encode() + group.tobytes(), checksum)
        for (language, group), checksum in of_language
    }
    return _Together(groups, test_sets, units)


def _headline(task: Task, sums: Floats) -> Floats:
    parts = parts_of(task, sums)
    return np.mean([parts[name] for name in task.metric.headline_parts], axis=0)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _times(units: int) -> NDArray[np.uint8]:
    """Return how often each unit is drawn, `[draws, units]`: the same for all test sets of a size."""
    return np.concatenate([times.astype(np.uint8) for times in times_drawn(units, DRAWS, units)])


@lru_cache(maxsize=256)
def _order(task: str, language: str, units: int) -> NDArray[np.int64]:
    """Return an order of units of a task's own in a language, so that test sets are drawn independently."""
    return np.random.default_rng(zlib.crc32(f"{task} {language}".encode())).permutation(units)


def _test_set(language: str, found: Counted) -> int:
    """Return a checksum of the examples in a language, and of what belongs together."""
    return zlib.crc32(found.group.tobytes(), zlib.crc32("\n".join((language, *found.item)).encode()))
