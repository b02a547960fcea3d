"""Small multiples: the score of a target task against the number of intermediate examples, a panel per language."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.results.figures.figure import (
    HEIGHT,
    INK,
    SMALL,
    Drawn,
    baseline_of,
    legend_above,
    lines,
    new_figure,
    sizes_along,
    sizes_of,
    style,
)
from xstilts_hpc.results.figures.points import draw_baseline, draw_means, hollow_in_legend, missing_note
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.table import Number, entry_title, number
from xstilts_hpc.tasks import task_of

_ACROSS = 5
_HEIGHT, _EDGES = 1.15, 0.7
_MOST_TICKS = 4


def multiples(means: Means, target: str) -> Drawn | None:
    """Return a panel per language, English first, all with the same axes; None where only one language is asked."""
    languages = means.languages(target)
    if len(languages) == 1:
        return None
    down = math.ceil(len(languages) / _ACROSS)
    figure = new_figure(min(HEIGHT, _HEIGHT * down + _EDGES))
    grid = figure.subplots(down, _ACROSS, sharex=True, sharey=True, squeeze=False)
    panels = grid.flatten().tolist()
    scores = {(e, code): number(means.score(e, target, (code,))) for e in means.entries for code in languages}
    for axes, code in zip(panels, languages, strict=False):
        _draw(axes, means, scores, code)
    points, base = ([score for (entry, _), score in scores.items() if entry.baseline is one] for one in (False, True))
    hollow_in_legend(panels[0], points)
    for axes in panels[len(languages) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(languages) - _ACROSS) : len(languages)]:
        axes.tick_params(labelbottom=True)  # the last panel of a column, also where the row below is not full
    _label(figure, panels[: len(languages)], f"{task_of(target).title}: {task_of(target).metric.name}, %")
    caption = (
        f"{task_of(target).title}: score in each language against the number of intermediate examples, means over "
        "seeds; dashed line: baseline. All panels have the same axes."
    )
    return Drawn(f"size_by_language_{target}", caption + missing_note(points, base), figure)


def _draw(axes: Axes, means: Means, scores: Mapping[tuple[Entry, str], Number], code: str) -> None:
    style(axes)
    axes.tick_params(labelsize=SMALL, length=2)
    axes.set_title(LANGUAGES[code].name, fontsize=SMALL, color=INK, pad=2)
    for line in lines(means):
        mine = [scores[entry, code] for entry in line.series.entries]
        draw_means(axes, line, line.series.sizes, mine, markersize=2.5, linewidth=1)
    for entry in baseline_of(means):
        draw_baseline(axes, scores[entry, code], entry_title(entry), linewidth=0.8)
    sizes_along(axes, sizes_of(means))
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=_MOST_TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short(x)))


def short(size: float) -> str:
    """Return a size in few characters: 100, 10k, 1M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{size / unit:g}{letter}"
    return f"{size:g}"


def _label(figure: Figure, panels: Sequence[Axes], quantity: str) -> None:
    figure.supxlabel("intermediate examples (log scale)", fontsize=SMALL + 1, color=INK)
    figure.supylabel(quantity, fontsize=SMALL + 1, color=INK)
    legend_above(figure, panels)
