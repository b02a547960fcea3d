"""Mediation: the zero-shot score of a target task against the intermediate training's own dev score."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes

from xstilts_hpc.results.figures.figure import INK, Drawn, Line, legend_beside, lines, new_figure, style
from xstilts_hpc.results.figures.points import draw_means, hollow_in_legend, missing_note
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.mediation import Pair, pairs
from xstilts_hpc.results.tables.table import Number
from xstilts_hpc.tasks import task_of

_HEIGHT = 4.0


def mediation_figure(means: Means, target: str) -> Drawn | None:
    """Return own dev scores across and zero-shot scores up, a point per run; None where no run has both."""
    found = [(line, runs) for line in lines(means) if (runs := pairs(means, line.series, target))]
    if not found:
        return None
    figure = new_figure(_HEIGHT)
    axes = figure.add_subplot()
    style(axes)
    by_size = [_means(means, target, runs) for _, runs in found]
    for (line, runs), of_line in zip(found, by_size, strict=True):
        _draw(axes, line, runs, of_line)
    scores = [score for of_line in by_size for _, score in of_line.values()]
    hollow_in_legend(axes, scores)
    axes.set_xlabel("score of the intermediate training on its own dev set, %", color=INK)
    axes.set_ylabel(f"{task_of(target).title}: zero-shot {task_of(target).metric.name}, %", color=INK)
    legend_beside(figure, axes)
    caption = (
        f"{task_of(target).title}: zero-shot score against the intermediate training's score on its own dev set. Small "
        "points: runs; line: means of each size, its number of examples beside, from the smallest to the largest."
    )
    return Drawn(f"mediation_{target}", caption + missing_note(scores), figure)


def _means(means: Means, target: str, runs: Sequence[Pair]) -> dict[Entry, tuple[float, Number]]:
    """Return the means of each size: own dev score, and zero-shot score with the number of runs that have both."""
    by_size = {entry: list(group) for entry, group in groupby(runs, lambda run: run.entry)}
    counted = {entry: (len(group), len(means.seeds(entry, target))) for entry, group in by_size.items()}
    return {
        entry: (
            100 * float(np.mean([run.own for run in group])),
            Number(100 * float(np.mean([run.transfer for run in group])), math.nan, *counted[entry]),
        )
        for entry, group in by_size.items()
        if means.partial or counted[entry][0] == counted[entry][1]
    }


def _draw(axes: Axes, line: Line, runs: Sequence[Pair], by_size: Mapping[Entry, tuple[float, Number]]) -> None:
    own, transfer = [100 * run.own for run in runs], [100 * run.transfer for run in runs]
    axes.scatter(own, transfer, s=14, alpha=0.45, linewidths=0, **line.points)
    places, scores = [across for across, _ in by_size.values()], [score for _, score in by_size.values()]
    draw_means(axes, line, places, scores, markersize=6, linewidth=1.5)
    for entry, (across, up) in by_size.items():
        place = across, up.value
        axes.annotate(f"{entry.size:,}", place, (3, 4), textcoords="offset points", fontsize=7, color=INK)
