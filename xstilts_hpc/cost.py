"""How long runs take: the seconds that finished runs took, and the overhead and speed that follow from them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.run_folder import run_folder

# Finished runs whose records are read, spread evenly over all of them; and how few are too few to tell anything.
_MOST_READ, FEWEST = 200, 3
# So many times the work of the smallest run must have been seen to tell overhead from speed; and a run of more than
# so many times the work of the largest one is not estimated.
_SPREAD, _FARTHEST = 2.0, 4.0


@dataclass(frozen=True)
class Took:
    """What a finished run took: its ranks, and its seconds over all attempts."""

    ranks: int
    seconds: float


@dataclass(frozen=True)
class Sample:
    """The floating-point operations of one rank of a finished run, and the seconds that it took."""

    rank_work: float
    seconds: float


@dataclass(frozen=True)
class Speed:
    """What a run takes: seconds whatever its size, and seconds per operation of one rank; `most` were measured."""

    overhead_s: float
    per_work_s: float
    most: float

    def knows(self, rank_work: float) -> bool:
        """Say whether so many operations of one rank are near enough to what was measured."""
        return rank_work <= _FARTHEST * self.most

    def seconds(self, rank_work: float) -> float:
        """Return the estimated seconds of a run with so many operations of one rank."""
        return self.overhead_s + self.per_work_s * rank_work


def took(root: Path, run_ids: Iterable[str], profile: str = "") -> dict[str, Took]:
    """Return what leads from finished runs to what they took, of those that ran under a profile (empty: any).

    A run counts only if every attempt wrote down its end, since what a killed one took is not known, and if all had
    the same number of ranks.
    """
    finished = [run_id for run_id in run_ids if run_folder(root, run_id).done_json.is_file()]
    found: dict[str, Took] = {}
    for run_id in _evenly(finished):
        attempts = run_folder(root, run_id).attempts()
        told = [a for a in attempts if "measured" in a and (not profile or a.get("profile") == profile)]
        ranks = {attempt.get("ranks", 0) for attempt in told}
        seconds = sum(map(_seconds, told))
        if len(told) == len(attempts) and len(ranks) == 1 and min(ranks) and seconds:
            found[run_id] = Took(ranks.pop(), seconds)
    return found


def _evenly(run_ids: Sequence[str]) -> list[str]:
    step = max(1.0, len(run_ids) / _MOST_READ)
    return [run_ids[int(i * step)] for i in range(min(len(run_ids), _MOST_READ))]


def _seconds(attempt: Mapping[str, Any]) -> float:
    """Return what an attempt took: from start to end, or its parts where those say more than whole seconds do."""
    parts = float(sum(attempt["measured"].values()))
    if not attempt.get("start") or not attempt.get("end"):
        return parts
    try:
        whole = datetime.fromisoformat(attempt["end"]) - datetime.fromisoformat(attempt["start"])
    except (ValueError, TypeError):
        return parts  # no times of ours
    return max(parts, whole.total_seconds())


def speeds_of(samples: Sequence[Sample]) -> list[Speed]:
    """Return the speed that samples show, none where they are too few.

    The seconds per operation are the median of the slopes between two samples, weighted by how far they are apart; the
    overhead is the median of what is left, weighted by how little it is lost in. A single odd run moves neither.
    """
    if len(samples) < FEWEST:
        return []
    work = np.array([sample.rank_work for sample in samples])
    seconds = np.array([sample.seconds for sample in samples])
    if work.min() > 0 and work.max() < _SPREAD * work.min():
        return [Speed(0.0, float(np.median(seconds / work)), float(work.max()))]
    per_work = max(0.0, _slope(work, seconds))
    overhead = max(0.0, _median(seconds - per_work * work, 1 / seconds))
    return [Speed(overhead, per_work, float(work.max()))]


def _slope(work: NDArray[np.float64], seconds: NDArray[np.float64]) -> float:
    first, second = np.array(list(combinations(range(len(work)), 2))).T
    apart = work[second] - work[first]
    told = apart != 0
    if not told.any():
        return 0.0
    return _median((seconds[second] - seconds[first])[told] / apart[told], np.abs(apart[told]))


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the weighted median."""
    order = np.argsort(values)
    half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(values[order][min(half, len(values) - 1)])


def median_tflops(samples: Sequence[Sample]) -> float:
    """Return the median speed of one rank."""
    return statistics.median(sample.rank_work / sample.seconds for sample in samples) / 1e12
