"""Heat maps: the gain over the baseline in every language of a target task."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.results.figures.figure import HEIGHT, INK, SMALL, WIDTH, Drawn, new_figure
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.sizes import series_of
from xstilts_hpc.results.tables.language_gains import LanguageGain
from xstilts_hpc.results.tables.table import MISSING, Number, keys_of
from xstilts_hpc.tasks import task_of

# Told apart by colour-blind readers, and in grey by the sign that every cell prints.
_COLOURS = "PuOr_r"
_ROW, _MARKED_ROW, _BELOW, _COLUMN, _EDGES = 0.21, 0.27, 1.4, 0.52, 2.6
# Columns that fit a page's width beside the names of the languages.
_MOST = 10
_MARK = 6
# Points by which a number stands above the middle of its cell, and its mark below.
_UP, _DOWN = 2.6, 3.6
# Points between cells and slanted labels of several lines, whose corners reach up.
_PAD = 8
_SMALLEST_SCALE = 1.0
_LEVEL = 0.05
# From this share of the scale on a cell is too dark for dark text.
_DARK = 0.65
# A cell of a map: its language and its entry.
_Place = tuple[str, Entry]


def heat_maps(means: Means, target: str, gains: Sequence[LanguageGain]) -> Iterator[Drawn]:
    """Yield maps of gains in points: languages down, entries across; several where one would be wider than a page.

    Their colours are the same, and those without any gain are left out. Gains that are told from none are bold; those
    that miss runs say of how many they are the mean.
    """
    mine = {(gain.language, gain.entry): gain for gain in gains if gain.target == target}
    known = [abs(gain.shown.value) for gain in mine.values() if not gain.shown.missing]
    parts = _parts(means, {entry for _, entry in mine})
    for part, entries in enumerate(parts if known else [], start=1):
        shown = {(code, entry): _shown(mine, code, entry) for code in means.languages(target) for entry in entries}
        if all(gain.missing for gain in shown.values()):
            continue
        which = f", part {part} of {len(parts)}" if len(parts) > 1 else ""
        caption = (
            f"{task_of(target).title}{which}: gain over the baseline in percentage points, by language (down) and "
            "intermediate training (across); orange: gains, purple: losses. Bold: told from no gain at a false "
            f"discovery rate of 5 %.{''.join(_missing_notes(shown.values()))}"
        )
        name = f"gain_by_language_{target}" + (f"_{part}" if which else "")
        sure = {cell for cell, gain in mine.items() if gain.corrected < _LEVEL}
        yield Drawn(name, caption, _map(means, shown, sure, max(_SMALLEST_SCALE, *known)))


def _parts(means: Means, asked: Collection[Entry]) -> list[list[Entry]]:
    """Return entries in parts as wide as a page at most; all sizes of one training in the same where they fit."""
    parts: list[list[Entry]] = [[]]
    for series in series_of(means):
        entries = [entry for entry in series.entries if entry in asked]
        if len(parts[-1]) + min(len(entries), _MOST) > _MOST:
            parts.append([])
        parts[-1] += entries
    return [part[start : start + _MOST] for part in parts for start in range(0, len(part), _MOST)]


def _map(means: Means, shown: Mapping[_Place, Number], sure: Collection[_Place], reach: float) -> Figure:
    """Return one map of gains; colours end at so many points."""
    languages, entries = (list(dict.fromkeys(names)) for names in zip(*shown, strict=True))
    labels = ["\n".join(filter(None, keys_of(means, entry))) for entry in entries]
    row = _MARKED_ROW if any(gain.partial for gain in shown.values()) else _ROW
    width = max(WIDTH / 2, _COLUMN * len(entries) + _EDGES)
    figure = new_figure(min(HEIGHT, row * len(languages) + _BELOW), width=min(WIDTH, width))
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    values = np.array([[shown[code, entry].value for entry in entries] for code in languages])
    axes.pcolormesh(values, cmap=_COLOURS, norm=TwoSlopeNorm(0, -reach, reach), edgecolors="face", linewidth=0.1)
    for (code, entry), gain in shown.items():
        place = entries.index(entry) + 0.5, languages.index(code) + 0.5
        _write(axes, place, gain, bold=(code, entry) in sure, dark=abs(gain.value) > _DARK * reach)
    axes.set_yticks(np.arange(len(languages)) + 0.5, [f"{LANGUAGES[code].name} ({code})" for code in languages])
    slanted: dict[str, Any] = {"rotation": 60, "rotation_mode": "anchor", "ha": "right", "va": "center"}
    axes.set_xticks(np.arange(len(entries)) + 0.5, labels, linespacing=1.1, multialignment="right", **slanted)
    axes.invert_yaxis()
    axes.tick_params(colors=INK, length=0, labelsize=8)
    axes.tick_params("x", labelsize=SMALL, pad=_PAD)
    axes.spines[:].set_visible(False)
    return figure


def _shown(gains: Mapping[_Place, LanguageGain], language: str, entry: Entry) -> Number:
    gain = gains.get((language, entry))
    return gain.shown if gain else Number(math.nan)


def _write(axes: Axes, place: tuple[float, float], gain: Number, *, bold: bool, dark: bool) -> None:
    """Write a number into its cell, in a colour that is legible on the cell whatever the page's colour.

    Below it, where runs are missing, stands how many there are.
    """
    colour = INK if gain.missing else "#ffffff" if dark else "#111111"
    look: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "color": colour}
    number = MISSING if gain.missing else f"{gain.value:+z.1f}"
    weight, up = "bold" if bold else "normal", _UP if gain.partial else 0
    axes.annotate(number, place, (0, up), fontsize=SMALL, fontweight=weight, **look)
    if gain.partial:
        axes.annotate(f"n={gain.found}/{gain.expected}", place, (0, -_DOWN), fontsize=_MARK, **look)


def _missing_notes(gains: Collection[Number]) -> Iterator[str]:
    """Yield what a caption says of cells that miss runs."""
    partial = [gain for gain in gains if gain.partial]
    if partial:
        first = partial[0]
        yield (
            f" n={first.found}/{first.expected}: runs are missing, the gain is the mean over {first.found} of "
            f"{first.expected} sets of seeds, and the like."
        )
    if any(gain.missing for gain in gains):
        yield f" {MISSING}: runs are missing."
