"""The gain in every language, with its interval and its test: what a map of gains shows, and a table."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from xstilts_hpc.results.evidence import Evidence, Found
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.inference import p_cell, seeds_only
from xstilts_hpc.results.tables.table import Number, Plain, Table, footer_of, key_columns, keys_of
from xstilts_hpc.statistics.intervals import FEWEST_RUNS, LEVEL
from xstilts_hpc.statistics.permutation import benjamini_hochberg
from xstilts_hpc.tasks import task_of


@dataclass(frozen=True)
class LanguageGain:
    """The gain of an entry over the baseline on a target in one language, in fractions (NaN where runs are missing).

    `corrected` is the p-value of no gain, corrected for all languages, targets and entries of the grid by the false
    discovery rate (Benjamini and Hochberg 1995); NaN where there are too few sets of seeds.
    """

    entry: Entry
    target: str
    language: str
    found: Found
    corrected: float

    @property
    def value(self) -> float:
        """Return the mean gain over the sets of seeds."""
        return self.found.estimate.value

    @property
    def shown(self) -> Number:
        """Return the gain in points, and how many sets of seeds have it."""
        there = sum(not math.isnan(value) for value in self.found.values)
        return Number(100 * self.value, found=there, expected=len(self.found.values), signed=True)

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of no gain, not corrected."""
        return self.found.estimate.p_value()


@lru_cache(maxsize=1)  # a table and the figures of every target show them
def language_gains(means: Means) -> tuple[LanguageGain, ...]:
    """Return the gain of every entry but the baseline, by target and language, English first."""
    evidence = Evidence(means)
    asked = [(entry, target, language) for entry, target in means.compared() for language in means.languages(target)]
    found = [evidence.gain(entry, target, (language,)) for entry, target, language in asked]
    corrected = benjamini_hochberg([one.estimate.p_value() for one in found])
    return tuple(LanguageGain(*names, one, p) for names, one, p in zip(asked, found, corrected, strict=True))


def gains_by_language(means: Means) -> Table:
    """Return the gain over the baseline in every language, a row each."""
    rows = tuple(tuple(_row(means, gain)) for gain in language_gains(means))
    columns = (*key_columns(means), "target", "language", "gain", "low", "high", "p", "p (FDR)")
    notes = (
        f"low, high: {100 * LEVEL:g} % interval for other seeds and other examples of that language, none over fewer "
        f"than {FEWEST_RUNS} sets of seeds; p: of no gain, two-sided",
        "FDR: corrected for all tests of this table by the false discovery rate (Benjamini and Hochberg 1995): of the "
        "gains below 0.05 about 5 % at most are none; a map to explore, no proof for a single language",
        seeds_only(gain.found.estimate for gain in language_gains(means)),
    )
    title = "Gain over the baseline by language, percentage points"
    return Table(title, columns, rows, footer_of(means, means.targets, notes), len(columns) - 5, "gain_by_language")


def _row(means: Means, gain: LanguageGain) -> Iterator[Plain]:
    yield from (*keys_of(means, gain.entry), task_of(gain.target).title, gain.language)
    yield gain.shown
    yield from (Number(100 * end, signed=True) for end in gain.found.estimate.interval())
    yield from map(p_cell, (gain.p_value, gain.corrected))
