"""Size curves: the zero-shot score of a target task against the number of intermediate examples."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from xstilts_hpc.results.figures.figure import (
    INK,
    Drawn,
    Line,
    Value,
    baseline_of,
    legend_beside,
    lines,
    new_figure,
    sizes_along,
    sizes_of,
    style,
)
from xstilts_hpc.results.figures.points import draw_baseline, draw_means, hollow_in_legend, missing_note
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.sizes import (
    ALL_TARGETS,
    fitted,
    languages_of,
    score_at,
    sets_of,
    targets_of,
    title_of,
    zero_shot_mean,
)
from xstilts_hpc.results.tables.table import Number, counted_languages, entry_title, number
from xstilts_hpc.tasks import task_of

_HEIGHT = 4.0


def size_figure(means: Means, target: str) -> Drawn:
    """Return the figure of one target: points are seeds, lines are means, the dashed line is the baseline.

    Where a curve could be fitted its interval is a band around it.
    """
    scores = {entry: _score(means, target, entry) for entry in means.entries}
    points, base = ([score for entry, score in scores.items() if entry.baseline is one] for one in (False, True))
    figure = new_figure(_HEIGHT)
    axes = figure.add_subplot()
    style(axes)
    for line in lines(means):
        mine = [scores[entry] for entry in line.series.entries]
        draw_means(axes, line, line.series.sizes, mine, markersize=6, linewidth=1.5)
        _draw_seeds(axes, means, target, line)
        if not any(score.partial for score in (*base, *mine)):
            _draw_fit(axes, means, target, line)
    for entry in baseline_of(means):
        draw_baseline(axes, scores[entry], entry_title(entry), linewidth=1.2)
    hollow_in_legend(axes, points)
    sizes_along(axes, sizes_of(means))
    axes.set_xlabel("intermediate examples (log scale)", color=INK)
    axes.set_ylabel(f"{title_of(target)}: zero-shot {_quantity(target)}, %", color=INK)
    legend_beside(figure, axes)
    caption = (
        f"{title_of(target)}: zero-shot score, the mean over {_members(means, target)}, against the number of "
        "intermediate examples. Small points: seeds; lines: means; dashed line: baseline; dotted line and band: fitted "
        "curve and its 95 % interval, where there are three sizes and three sets of seeds and no run is missing."
    )
    shown = caption + missing_note(points, base)
    return Drawn(f"size_{target}", shown, figure, _alt(means, target), tuple(_values(means, target)))


def _values(means: Means, target: str) -> Iterator[Value]:
    """Yield the means at which lines have their points."""
    for line in lines(means):
        for entry in line.series.entries:
            score = _score(means, target, entry)
            if not score.missing:
                yield entry.size, score.value, f"{line.label}, {entry.size:,} examples: {score.text} %"


def _alt(means: Means, target: str) -> str:
    """Return where each line begins and ends, and the baseline."""
    ends = (
        f"{line.label} from {_score(means, target, first).text} with {first.size:,} examples to "
        f"{_score(means, target, last).text} with {last.size:,}"
        for line in lines(means)
        for first, last in [(line.series.entries[0], line.series.entries[-1])]
    )
    base = (f"{entry_title(entry)} {_score(means, target, entry).text}" for entry in baseline_of(means))
    return f"Size curves of {title_of(target)}, zero-shot score in per cent: {'; '.join([*ends, *base])}."


def _score(means: Means, target: str, entry: Entry) -> Number:
    """Return the mean of an entry, blank where all runs of a target are missing: the others may be easier or harder."""
    of_each = (zero_shot_mean(means, entry, one).value for one in targets_of(means, target))
    return Number(math.nan) if any(map(math.isnan, of_each)) else number(zero_shot_mean(means, entry, target))


def _quantity(target: str) -> str:
    return "score" if target == ALL_TARGETS else task_of(target).metric.name


def _members(means: Means, target: str) -> str:
    if target == ALL_TARGETS:
        return f"the languages without English of each of {len(means.targets)} targets"
    return counted_languages(len(languages_of(means, target)))


def _draw_seeds(axes: Axes, means: Means, target: str, line: Line) -> None:
    entries, sets = line.series.entries, sets_of(means, line.series, target)
    points = [(entry.size, 100 * score_at(means, entry, target, seeds)) for entry in entries for seeds in sets]
    if points:
        x, y = zip(*points, strict=True)
        axes.scatter(x, y, s=14, alpha=0.45, linewidths=0, **line.points)


def _draw_fit(axes: Axes, means: Means, target: str, line: Line) -> None:
    fit = fitted(means, line.series, target) if line.series.has_trend else None
    if fit is not None and not np.isnan(fit.band).any():
        axes.fill_between(fit.at, *(100 * fit.band.T), color=line.colour, alpha=0.12, linewidth=0)
        axes.plot(fit.at, 100 * fit.best.at(fit.at), linestyle=(0, (1, 1)), linewidth=1, color=line.colour)
