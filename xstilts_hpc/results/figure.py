"""Size curves: the zero-shot score of a target task against the number of intermediate examples."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from xstilts_hpc.files import whole_file, write_text
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.sizes import Series, fitted, languages_of, series_of
from xstilts_hpc.results.table import entry_title
from xstilts_hpc.tasks import task_of

# Okabe and Ito's colours without black and yellow: told apart by colour-blind readers, legible on white and on dark.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLES = ("-", "-.", ":")
# A colour nothing else has, replaced by the colour of the page's text in the SVG for the report.
_INK = "#010203"
_PAGE_INK = "#111111"
# Where an SVG names an id or refers to one.
_ID = re.compile(r'(\bid="|url\(#|href="#)')


@dataclass(frozen=True)
class Curve:
    """A line of a figure."""

    label: str
    series: Series


def curves(means: Means) -> tuple[Curve, ...]:
    """Return a curve per intermediate task (and variant and schedule, where there are several)."""
    found = series_of(means)
    schedules = len({series.entries[0].schedule for series in found}) > 1
    return tuple(Curve(_label_of(means, series.entries[0], schedules), series) for series in found)


def _label_of(means: Means, entry: Entry, schedules: bool) -> str:
    names = entry_title(entry), means.shown_variants[entry.variant], entry.schedule if schedules else ""
    return ", ".join(filter(None, names))


def draw(means: Means, target: str) -> Figure:
    """Return the figure of one target: points are seeds, lines are means, the dashed line is the baseline.

    Where a curve could be fitted its interval is a band around it.
    """
    figure = Figure(figsize=(6.8, 4.0), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for curve, colour, marker, style in zip(
        curves(means), cycle(_COLOURS), cycle(_MARKERS), cycle(_styles()), strict=False
    ):
        _draw_curve(axes, means, target, curve, (colour, marker, style))
    baseline = next((entry for entry in means.entries if entry.baseline), None)
    if baseline:
        value = 100 * means.score(baseline, target, languages_of(means, target)).value
        if not math.isnan(value):
            axes.axhline(value, linestyle="--", linewidth=1.2, color=_INK, label=entry_title(baseline))
    sizes = [entry.size for entry in means.entries if not entry.baseline]
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.5, max(sizes) * 1.5)
    _label(axes, f"{task_of(target).title}: zero-shot {task_of(target).metric.name}, %")
    return figure


def svg(figure: Figure, name: str, *, ink: str = "currentColor") -> str:
    """Return a figure as SVG text; `name` makes its ids unique in a page, `ink` is the colour of text and axes."""
    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    unique = _ID.sub(rf"\g<1>{name}-", text[text.index("<svg") :])
    return unique.replace(_INK, ink).replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1).strip()


def write_figures(means: Means, folder: Path) -> tuple[Path, ...]:
    """Write the size curve of every target as .svg and .pdf into a folder; return the paths."""
    paths = []
    for target in means.targets if curves(means) else ():
        figure = draw(means, target)
        vector, page = folder / f"size_{target}.svg", folder / f"size_{target}.pdf"
        write_text(vector, svg(figure, f"size_{target}", ink=_PAGE_INK) + "\n")
        with whole_file(page) as partial:
            figure.savefig(partial, format="pdf", metadata={"CreationDate": None})
        paths += [vector, page]
    return tuple(paths)


def _styles() -> tuple[str, ...]:
    """Return a line style per curve: the same one until every colour was used."""
    return tuple(style for style in _STYLES for _ in _COLOURS)


def _draw_curve(axes: Axes, means: Means, target: str, curve: Curve, look: tuple[str, str, str]) -> None:
    colour, marker, style = look
    languages = languages_of(means, target)
    points = [(e.size, 100 * v) for e in curve.series.entries for v in means.by_seed(e, target, languages)]
    sizes = [entry.size for entry in curve.series.entries]
    values = [100 * means.score(entry, target, languages).value for entry in curve.series.entries]
    axes.plot(sizes, values, marker=marker, linestyle=style, color=colour, label=curve.label, markersize=6)
    if points:
        x, y = zip(*points, strict=True)
        axes.scatter(x, y, marker=marker, s=14, color=colour, alpha=0.45, linewidths=0)
    fit = fitted(means, curve.series, target) if curve.series.has_trend else None
    if fit is not None and not np.isnan(fit.band).any():
        axes.fill_between(fit.at, *(100 * fit.band.T), color=colour, alpha=0.12, linewidth=0)
        axes.plot(fit.at, 100 * fit.best.at(fit.at), linestyle=(0, (1, 1)), linewidth=1, color=colour)


def _label(axes: Axes, quantity: str) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("intermediate examples (log scale)", color=_INK)
    axes.set_ylabel(quantity, color=_INK)
    axes.tick_params(colors=_INK, which="both")
    axes.grid(visible=True, color=_INK, alpha=0.15, linewidth=0.6)
    _hide(axes, ("top", "right"))
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.legend(frameon=False, labelcolor=_INK, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _hide(axes: Axes, sides: Sequence[str]) -> None:
    for side in sides:
        axes.spines[side].set_visible(False)
