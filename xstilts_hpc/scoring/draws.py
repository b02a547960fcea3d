"""A task's scores on resampled test sets, in all its languages: what is kept of a run for intervals."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
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

    Draw i takes the same examples whatever the run, so runs are compared on the same test sets. `test_set` tells runs
    whose examples differ.
    """

    languages: tuple[str, ...]
    headline: NDArray[np.float32]
    test_set: int


def draws_of(task: Task, languages: Mapping[str, Counted]) -> Draws:
    """Return the headline in each language on resampled examples; those of parallel test sets are drawn together."""
    groups = groups_across(languages, shared=task.parallel)
    together = max((int(group.max(initial=-1)) + 1 for group in groups.values()), default=0)
    found = np.empty((DRAWS, len(languages)), dtype=np.float32)
    for column, (language, one) in enumerate(languages.items()):
        group = groups[language] if task.parallel else groups[language] - groups[language].min()
        units = together if task.parallel else int(group.max()) + 1
        counts = np.stack([np.bincount(group, weights=each, minlength=units) for each in one.counts.T], axis=1)
        if not task.parallel:
            counts = counts[_order(task.name, language, units)]
        sums = _times(units).astype(np.float32) @ counts.astype(np.float32)
        found[:, column] = _headline(task, sums.astype(np.float64))
    return Draws(tuple(languages), found, _test_set(languages))


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


def _test_set(languages: Mapping[str, Counted]) -> int:
    """Return a checksum of the examples in all languages."""
    checksum = 0
    for language, found in languages.items():
        checksum = zlib.crc32("\n".join((language, *found.item)).encode(), checksum)
    return checksum
