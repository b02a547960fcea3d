"""Mediation: the zero-shot score of a target task against the intermediate training's own dev score."""

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes

from xstilts_hpc.results.figures.figure import INK, Drawn, Line, legend_beside, lines, new_figure, style
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.mediation import Pair, pairs
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
    for line, runs in found:
        _draw(axes, line, runs)
    axes.set_xlabel("score of the intermediate training on its own dev set, %", color=INK)
    axes.set_ylabel(f"{task_of(target).title}: zero-shot {task_of(target).metric.name}, %", color=INK)
    legend_beside(axes)
    caption = (
        f"{task_of(target).title}: zero-shot score against the intermediate training's score on its own dev set. Small "
        "points: runs; line: means of each size, its number of examples beside, from the smallest to the largest."
    )
    return Drawn(f"mediation_{target}", caption, figure)


def _draw(axes: Axes, line: Line, runs: list[Pair]) -> None:
    own, transfer = [100 * run.own for run in runs], [100 * run.transfer for run in runs]
    axes.scatter(own, transfer, s=14, alpha=0.45, linewidths=0, **line.points)
    by_size = {size: list(group) for size, group in groupby(runs, lambda run: run.entry.size)}
    means = [(np.mean([r.own for r in group]), np.mean([r.transfer for r in group])) for group in by_size.values()]
    x, y = zip(*((100 * own, 100 * transfer) for own, transfer in means), strict=True)
    axes.plot(x, y, label=line.label, markersize=6, **line.look)
    for size, across, up in zip(by_size, x, y, strict=True):
        axes.annotate(f"{size:,}", (across, up), (3, 4), textcoords="offset points", fontsize=7, color=INK)
