"""Means as points and lines, with a mark where runs are missing: they are not the mean that was asked for."""

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes

from xstilts_hpc.results.figures.figure import INK, Line
from xstilts_hpc.results.tables.table import Number

_BASELINE, _PARTIAL_BASELINE = "--", (0, (1, 4))
_HOLLOW: Mapping[str, Any] = MappingProxyType({"markerfacecolor": "none"})


def draw_means(
    axes: Axes, line: Line, places: Sequence[float], scores: Sequence[Number], *, markersize: float, linewidth: float
) -> None:
    """Draw the means of a line at places along it: joined, but hollow and by themselves where runs are missing."""
    whole = [math.nan if score.partial else score.value for score in scores]
    axes.plot(places, whole, label=line.label, markersize=markersize, linewidth=linewidth, **line.look)
    hollow = [(place, score.value) for place, score in zip(places, scores, strict=True) if score.partial]
    if hollow:
        more = {**line.points, **_HOLLOW, "markersize": markersize + 1, "markeredgewidth": 0.8}
        axes.plot(*zip(*hollow, strict=True), linestyle="none", **more)


def draw_baseline(axes: Axes, score: Number, label: str, *, linewidth: float) -> None:
    """Draw the baseline as a dashed line, or where runs are missing as a dotted one that says how many there are."""
    if not score.missing:
        dashes = _PARTIAL_BASELINE if score.partial else _BASELINE
        axes.axhline(score.value, linestyle=dashes, linewidth=linewidth, color=INK, label=f"{label}{score.members}")


def hollow_in_legend(axes: Axes, scores: Sequence[Number]) -> None:
    """Let the legend say what hollow points are, where there are any: of how many runs they are the mean."""
    if any(score.partial for score in scores):
        label = f"runs missing: {_members(scores)}"
        axes.plot([], [], marker="o", linestyle="none", color=INK, label=label, **_HOLLOW)


def missing_note(points: Sequence[Number], base: Sequence[Number] = ()) -> str:
    """Return what a caption says of points and of the baseline that miss runs; nothing where all are complete."""
    return "".join(
        (*_notes("point", "Hollow points, not joined", points), *_notes("baseline", "Dotted baseline", base))
    )


def _notes(what: str, mark: str, scores: Sequence[Number]) -> Iterator[str]:
    if any(score.partial for score in scores):
        yield f" {mark}: runs are missing, the mean is over those that are there ({_members(scores)})."
    if any(score.missing for score in scores):
        yield f" No {what}: runs are missing."


def _members(scores: Sequence[Number]) -> str:
    """Return how many of the runs there are where some are missing, from the fewest to the most: n=1/3 to 2/3."""
    shares = sorted({(score.found / score.expected, score.found, score.expected) for score in scores if score.partial})
    return "n=" + " to ".join(dict.fromkeys(f"{found}/{expected}" for _, found, expected in (shares[0], shares[-1])))
