"""Heat maps: the gain over the baseline in every language of a target task."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.metrics.base import Floats
from xstilts_hpc.results.figures.figure import INK, WIDTH, Drawn, new_figure
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.language_gains import LanguageGain
from xstilts_hpc.results.tables.table import MISSING, keys_of
from xstilts_hpc.tasks import task_of

# Told apart by colour-blind readers, and in grey by the sign that every cell prints.
_COLOURS = "PuOr_r"
_ROW, _COLUMN, _EDGES = 0.21, 0.52, 2.6
_SMALLEST_SCALE = 1.0
_LEVEL = 0.05
# From this share of the scale on a cell is too dark for dark text.
_DARK = 0.65


def heat_map(means: Means, target: str, gains: Sequence[LanguageGain]) -> Drawn | None:
    """Return the map of gains in points: languages down, entries across; None where there is no gain to show.

    Gains that are told from none are bold.
    """
    mine = {(gain.language, gain.entry): gain for gain in gains if gain.target == target}
    languages = means.languages(target)
    entries = list(dict.fromkeys(gain.entry for gain in gains if gain.target == target))
    values = np.array([[100 * _value(mine, code, entry) for entry in entries] for code in languages])
    if not values.size or np.isnan(values).all():
        return None
    figure = new_figure(_ROW * len(languages) + 1.6, width=max(WIDTH / 2, _COLUMN * len(entries) + _EDGES))
    axes = figure.add_subplot()
    reach = max(_SMALLEST_SCALE, float(np.nanmax(np.abs(values))))
    axes.set_facecolor("none")
    axes.pcolormesh(values, cmap=_COLOURS, norm=TwoSlopeNorm(0, -reach, reach), edgecolors="face", linewidth=0.1)
    sure = np.array([[_is_sure(mine, code, entry) for entry in entries] for code in languages])
    _write(axes, values, sure, reach)
    axes.set_yticks(np.arange(len(languages)) + 0.5, [f"{LANGUAGES[code].name} ({code})" for code in languages])
    axes.set_xticks(np.arange(len(entries)) + 0.5, [_label(means, entry) for entry in entries], rotation=60, ha="right")
    axes.invert_yaxis()
    axes.tick_params(colors=INK, length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    caption = (
        f"{task_of(target).title}: gain over the baseline in percentage points, by language (down) and intermediate "
        "training (across); orange: gains, purple: losses. Bold: told from no gain at a false discovery rate of 5 %; "
        f"{MISSING}: runs are missing."
    )
    return Drawn(f"gain_by_language_{target}", caption, figure)


_Gains = Mapping[tuple[str, Entry], LanguageGain]


def _value(gains: _Gains, language: str, entry: Entry) -> float:
    gain = gains.get((language, entry))
    return gain.value if gain else math.nan


def _is_sure(gains: _Gains, language: str, entry: Entry) -> bool:
    gain = gains.get((language, entry))
    return gain is not None and gain.corrected < _LEVEL


def _write(axes: Axes, values: Floats, sure: Floats, reach: float) -> None:
    """Write every number into its cell, in a colour that is legible on the cell whatever the page's colour."""
    for (row, column), value in np.ndenumerate(values):
        missing = math.isnan(value)
        axes.text(
            column + 0.5,
            row + 0.5,
            MISSING if missing else f"{value:+z.1f}",
            ha="center",
            va="center",
            fontsize=7,
            fontweight="bold" if sure[row, column] else "normal",
            color=INK if missing else "#ffffff" if abs(value) > _DARK * reach else "#111111",
        )


def _label(means: Means, entry: Entry) -> str:
    return " ".join(filter(None, keys_of(means, entry)))
