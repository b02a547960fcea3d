"""Heat maps: the gain over the baseline in every language of a target task."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.results.figures.figure import INK, WIDTH, Drawn, new_figure
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.language_gains import LanguageGain
from xstilts_hpc.results.tables.table import MISSING, Number, keys_of
from xstilts_hpc.tasks import task_of

# Told apart by colour-blind readers, and in grey by the sign that every cell prints.
_COLOURS = "PuOr_r"
_ROW, _MARKED_ROW, _COLUMN, _EDGES = 0.21, 0.27, 0.52, 2.6
_TEXT, _MARK = 7, 6
# Points by which a number stands above the middle of its cell, and its mark below.
_UP = 3.2
_SMALLEST_SCALE = 1.0
_LEVEL = 0.05
# From this share of the scale on a cell is too dark for dark text.
_DARK = 0.65


def heat_map(means: Means, target: str, gains: Sequence[LanguageGain]) -> Drawn | None:
    """Return the map of gains in points: languages down, entries across; None where there is no gain to show.

    Gains that are told from none are bold; those that miss runs say of how many they are the mean.
    """
    mine = {(gain.language, gain.entry): gain for gain in gains if gain.target == target}
    languages = means.languages(target)
    entries = list(dict.fromkeys(gain.entry for gain in gains if gain.target == target))
    shown = {(code, entry): _shown(mine, code, entry) for code in languages for entry in entries}
    known = [abs(gain.value) for gain in shown.values() if not gain.missing]
    if not known:
        return None
    reach = max(_SMALLEST_SCALE, *known)
    row = _MARKED_ROW if any(gain.partial for gain in shown.values()) else _ROW
    figure = new_figure(row * len(languages) + 1.6, width=max(WIDTH / 2, _COLUMN * len(entries) + _EDGES))
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    values = np.array([[shown[code, entry].value for entry in entries] for code in languages])
    axes.pcolormesh(values, cmap=_COLOURS, norm=TwoSlopeNorm(0, -reach, reach), edgecolors="face", linewidth=0.1)
    for (code, entry), gain in shown.items():
        place = entries.index(entry) + 0.5, languages.index(code) + 0.5
        _write(axes, place, gain, bold=_is_sure(mine, code, entry), dark=abs(gain.value) > _DARK * reach)
    axes.set_yticks(np.arange(len(languages)) + 0.5, [f"{LANGUAGES[code].name} ({code})" for code in languages])
    axes.set_xticks(np.arange(len(entries)) + 0.5, [_label(means, entry) for entry in entries], rotation=60, ha="right")
    axes.invert_yaxis()
    axes.tick_params(colors=INK, length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    caption = (
        f"{task_of(target).title}: gain over the baseline in percentage points, by language (down) and intermediate "
        "training (across); orange: gains, purple: losses. Bold: told from no gain at a false discovery rate of 5 %."
    )
    return Drawn(f"gain_by_language_{target}", caption + "".join(_missing_notes(shown.values())), figure)


_Gains = Mapping[tuple[str, Entry], LanguageGain]


def _shown(gains: _Gains, language: str, entry: Entry) -> Number:
    gain = gains.get((language, entry))
    return gain.shown if gain else Number(math.nan)


def _is_sure(gains: _Gains, language: str, entry: Entry) -> bool:
    gain = gains.get((language, entry))
    return gain is not None and gain.corrected < _LEVEL


def _write(axes: Axes, place: tuple[float, float], gain: Number, *, bold: bool, dark: bool) -> None:
    """Write a number into its cell, in a colour that is legible on the cell whatever the page's colour.

    Below it, where runs are missing, stands how many there are.
    """
    colour = INK if gain.missing else "#ffffff" if dark else "#111111"
    look: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "color": colour}
    number = MISSING if gain.missing else f"{gain.value:+z.1f}"
    weight, up = "bold" if bold else "normal", _UP if gain.partial else 0
    axes.annotate(number, place, (0, up), fontsize=_TEXT, fontweight=weight, **look)
    if gain.partial:
        axes.annotate(f"n={gain.found}/{gain.expected}", place, (0, -_UP), fontsize=_MARK, **look)


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


def _label(means: Means, entry: Entry) -> str:
    return " ".join(filter(None, keys_of(means, entry)))
