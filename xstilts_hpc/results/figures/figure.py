"""What all figures share: colours, axes, and how they are written: vector SVG and PDF at publication size."""

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import cycle
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.sizes import Series, series_of
from xstilts_hpc.results.tables.table import entry_title

# Okabe and Ito's colours without black and yellow: told apart by colour-blind readers, legible on white and on dark.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLES = ("-", "-.", ":")
# A colour nothing else has, replaced by the colour of the page's text in the SVG for the report.
INK = "#010203"
PAGE_INK = "#111111"
# Inches: the text of a page, as most templates have it, with room for a caption.
WIDTH, HEIGHT = 6.8, 8.4
# Points of text where much stands on a page.
SMALL = 7
# Legends beside axes have so many lines of so many letters at most; above, inches of a row, a handle and a letter.
_MOST_BESIDE, _WIDEST_BESIDE = 16, 30
_MOST_COLUMNS, _LEGEND_ROW, _LEGEND_HANDLE, _LEGEND_LETTER = 4, 0.15, 0.47, 0.055
# Units of an SVG in an inch.
_UNITS = 72
# Where an SVG names an id or refers to one.
_ID = re.compile(r'(\bid="|url\(#|href="#)')


# A point in the units of its axes, and what it says.
Value = tuple[float, float, str]


@dataclass(frozen=True)
class Drawn:
    """A figure, what its files are called, and a caption that says what is seen.

    `alt` says to those who do not see it what it shows; `values` are points of its first axes and what they say.
    """

    name: str
    caption: str
    figure: Figure
    alt: str = ""
    values: tuple[Value, ...] = ()

    @cached_property
    def vector(self) -> str:
        """Return the figure as SVG text in INK, drawn once; its name makes ids unique in a page."""
        out, described = io.StringIO(), dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.figure.savefig(out, format="svg", metadata=described)
        text = out.getvalue()
        unique = _ID.sub(rf"\g<1>{self.name}-", text[text.index("<svg") :]).strip()
        return unique.replace("<svg ", f'<svg role="img" aria-label="{escape(self.alt or self.caption)}" ', 1)


@dataclass(frozen=True)
class Line:
    """A line of a figure: a series of sizes, its label, and how it looks."""

    label: str
    series: Series
    colour: str
    marker: str
    style: str

    @property
    def points(self) -> dict[str, Any]:
        """Return how its points look."""
        return {"marker": self.marker, "color": self.colour}

    @property
    def look(self) -> dict[str, Any]:
        """Return how its points and the line between them look."""
        return {**self.points, "linestyle": self.style}


def lines(means: Means) -> tuple[Line, ...]:
    """Return a line per intermediate task (and variant and schedule, where there are several)."""
    found = series_of(means)
    schedules = len({series.entries[0].schedule for series in found}) > 1
    labels = (_label_of(means, series.entries[0], schedules) for series in found)
    looks = zip(cycle(_COLOURS), cycle(_MARKERS), cycle(_styles()), strict=False)
    return tuple(Line(label, series, *look) for label, series, look in zip(labels, found, looks, strict=False))


def _label_of(means: Means, entry: Entry, schedules: bool) -> str:
    names = entry_title(entry), means.shown_variants[entry.variant], entry.schedule if schedules else ""
    return ", ".join(filter(None, names))


def _styles() -> tuple[str, ...]:
    """Return a line style per line: the same one until every colour was used."""
    return tuple(style for style in _STYLES for _ in _COLOURS)


def new_figure(height: float, *, width: float = WIDTH) -> Figure:
    """Return an empty figure of so many inches without a background."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def svg(drawn: Drawn, *, ink: str = "currentColor") -> str:
    """Return a figure as SVG text; `ink` is the colour of text and axes."""
    return drawn.vector.replace(INK, ink)


def telling_svg(drawn: Drawn) -> str:
    """Return a figure as SVG text for a page, where a browser tells its values under the pointer."""
    text = svg(drawn)  # first: it lays the figure out
    return text.removesuffix("</svg>") + "".join(_told(drawn)) + "</svg>"


def _told(drawn: Drawn) -> Iterator[str]:
    """Yield a circle with a title for each value of a figure; the style of the page makes it transparent."""
    height, unit = _UNITS * drawn.figure.get_figheight(), _UNITS / drawn.figure.dpi
    for x, y, text in drawn.values:
        across, up = drawn.figure.axes[0].transData.transform((x, y)) * unit
        place = f'cx="{across:.1f}" cy="{height - up:.1f}"'
        yield f'<circle class="value" {place} r="6"><title>{escape(text)}</title></circle>'


def style(axes: Axes) -> None:
    """Give axes the page's ink, a faint grid, and no frame above and to the right."""
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, which="both")
    axes.grid(visible=True, color=INK, alpha=0.15, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)


def sizes_along(axes: Axes, sizes: Sequence[int]) -> None:
    """Let sizes run along the horizontal axis, logarithmically."""
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.5, max(sizes) * 1.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def legend_beside(figure: Figure, axes: Axes) -> None:
    """Put the legend to the right of the axes, or above them where it has no room there."""
    labels = axes.get_legend_handles_labels()[1]
    if len(labels) > _MOST_BESIDE or max(map(len, labels)) > _WIDEST_BESIDE:
        legend_above(figure, [axes])
    else:
        axes.legend(frameon=False, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5))


def legend_above(figure: Figure, panels: Sequence[Axes]) -> None:
    """Put one legend of all panels above them, in as many columns as fit the width; the figure becomes higher by it."""
    drawn = [zip(*panel.get_legend_handles_labels(), strict=True) for panel in panels]
    handles = {label: handle for of_panel in drawn for handle, label in of_panel}
    columns = max(1, min(_MOST_COLUMNS, int(WIDTH / (_LEGEND_HANDLE + _LEGEND_LETTER * max(map(len, handles))))))
    look: dict[str, Any] = {"frameon": False, "labelcolor": INK, "fontsize": SMALL, "ncols": columns}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", **look)
    rows = math.ceil(len(handles) / columns)
    figure.set_figheight(min(HEIGHT, figure.get_figheight() + _LEGEND_ROW * rows))


def sizes_of(means: Means) -> list[int]:
    """Return the sizes of all intermediate training sets of a grid."""
    return [entry.size for entry in means.entries if not entry.baseline]


def baseline_of(means: Means) -> Iterator[Entry]:
    """Yield the baseline where the grid has one."""
    yield from (entry for entry in means.entries if entry.baseline)
