"""Learning curves: the loss over the updates of every run's training, thinned to what a page can hold."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO

from xstilts_hpc.run_folder import run_folder

# Points of one run, and of all runs together: more runs have fewer points each.
_MOST_POINTS, _FEWEST_POINTS, _ALL_POINTS = 60, 12, 60_000
# So much of the history is read for a point: about twenty updates.
_BLOCK = 4096
_DIGITS = 4


@dataclass(frozen=True)
class LearningCurve:
    """Points of one training: the update each stands at, and the mean loss of the updates before it (NaN: diverged)."""

    updates: tuple[int, ...]
    loss: tuple[float, ...]


def learning_curves(root: Path, runs: Iterable[str]) -> Mapping[str, LearningCurve]:
    """Return the learning curve of every run under the root that has logged an update."""
    listed = list(runs)
    points = max(_FEWEST_POINTS, min(_MOST_POINTS, _ALL_POINTS // max(1, len(listed))))
    found = {run: learning_curve(run_folder(root, run).history, points) for run in listed}
    return {run: curve for run, curve in found.items() if curve.updates}


def learning_curve(history: Path, points: int) -> LearningCurve:
    """Return at most so many points of a training history, without a point where there is no history.

    The file is cut into equal ranges; a point is the mean of the last updates of its range. What is read is bounded,
    however long the training was.
    """
    try:
        with history.open("rb") as file:
            end = history.stat().st_size
            ranges = ((end * i // points, end * (i + 1) // points) for i in range(points))
            found = [point for start, stop in ranges for point in _point(file, start, stop)]
    except FileNotFoundError:
        found = []
    return LearningCurve(tuple(update for update, _ in found), tuple(loss for _, loss in found))


def _point(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[int, float]]:
    """Yield the last update of a range of bytes and the mean loss up to it, or nothing where no line begins in it."""
    steps = list(_steps(file, max(start, stop - _BLOCK), stop))
    if steps:
        yield int(steps[-1]["step"]), float(f"{fmean(float(step['loss']) for step in steps):.{_DIGITS}g}")


def _steps(file: BinaryIO, start: int, stop: int) -> Iterator[Mapping[str, Any]]:
    """Yield the updates whose lines begin in a range of bytes, without one that is being written or was cut."""
    file.seek(max(0, start - 1))
    if start:
        file.readline()
    while file.tell() < stop and (line := file.readline()).endswith(b"\n"):
        with suppress(ValueError):
            step = json.loads(line)
            if isinstance(step, dict) and {"step", "loss"} <= step.keys():
                yield step


def plain(curve: LearningCurve) -> tuple[list[int], list[float | None]]:
    """Return a curve as JSON can hold it: None where the loss is not finite."""
    return list(curve.updates), [loss if math.isfinite(loss) else None for loss in curve.loss]
