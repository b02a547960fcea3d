"""The tables of what can be concluded: gains with intervals and corrected tests, and scores as a function of size."""

import math
from collections.abc import Iterable, Iterator, Sequence

from xstilts_hpc.results.collapsed import COLLAPSED_NOTE, WITHOUT, without_collapsed
from xstilts_hpc.results.evidence import Evidence, Found
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.sizes import Series, fitted, series_of, sets_of, shown_targets, slope, title_of
from xstilts_hpc.results.tables.table import (
    MISSING,
    Number,
    Plain,
    Shown,
    Table,
    columns_without_size,
    footer_of,
    key_columns,
    keys_of,
    keys_without_size,
)
from xstilts_hpc.scoring.draws import DRAWS
from xstilts_hpc.statistics.curves import Curve
from xstilts_hpc.statistics.forms import DECADE
from xstilts_hpc.statistics.intervals import FEWEST_RUNS, LEVEL, Estimate
from xstilts_hpc.statistics.permutation import FEWEST_FLIPPED, holm
from xstilts_hpc.statistics.trend import FEWEST_SIZES
from xstilts_hpc.tasks import task_of

_PER_CENT = f"{100 * LEVEL:g} %"


def gain_intervals(means: Means) -> Table:
    """Return every gain over the baseline with its interval, its test, and the test corrected for their number."""
    evidence = Evidence(means)
    asked = means.compared()
    found = [evidence.gain(entry, target, means.languages(target)) for entry, target in asked]
    without = without_collapsed(means)
    rows = tuple(
        (*keys_of(means, entry), task_of(target).title, *_gain_cells(one, p_values), *_without(without, entry, target))
        for (entry, target), one, p_values in zip(asked, found, _tests(found), strict=True)
    )
    numbers = ("gain", "low", "high", *_TESTS, "gain of each set of seeds", *_without_columns(without))
    columns = (*key_columns(means), "target", *numbers)
    notes = (
        f"low, high: {_PER_CENT} interval for other seeds and other examples: spread over the sets of seeds, and "
        f"{DRAWS} resamplings of the test set that all runs share (paragraphs with their questions, sentences, and "
        "translations of an example together), Student's t with Satterthwaite's degrees of freedom",
        f"none over fewer than {FEWEST_RUNS} sets of seeds, or runs of the baseline; p: of no gain, two-sided; Holm: "
        "corrected for these tests",
        "permutation: the same without a distribution, by flipping the signs of the gains of sets of seeds that share "
        f"none; from {FEWEST_FLIPPED} such sets on, since with n of them it cannot be below 2 / 2^n",
        seeds_only([one.estimate for one in found]),
        COLLAPSED_NOTE if without else "",
    )
    title = "Gain over the baseline with intervals, percentage points"
    lines = footer_of(means, means.targets, notes)
    return Table(title, columns, rows, lines, len(columns) - len(numbers), "gain_interval")


_TESTS = ("p", "p (Holm)", "p (permutation)", "p (permutation, Holm)")


def seeds_only(found: Iterable[Estimate | Curve]) -> str:
    """Return the note of a table whose intervals are not all for other examples, "" where they are."""
    if not any(one.seeds_alone for one in found):
        return ""
    return "some intervals are over seeds alone: their runs have no scores on resampled test sets, or other test sets"


def _without_columns(without: Means | None) -> tuple[str, ...]:
    return (f"gain {WITHOUT}", f"low {WITHOUT}", f"high {WITHOUT}") if without else ()


def _without(without: Means | None, entry: Entry, target: str) -> Iterator[Number]:
    """Yield the gain without collapsed runs, with its interval; nothing where no run collapsed."""
    if without:
        found = Evidence(without).gain(entry, target, without.languages(target)).estimate
        yield from (Number(100 * value, signed=True) for value in (found.value, *found.interval()))


def _tests(found: Sequence[Found]) -> list[tuple[float, ...]]:
    """Return the p-values of every gain in the order of their columns."""
    students = [one.estimate.p_value() for one in found]
    flipped = [one.permutation_p() for one in found]
    return list(zip(students, holm(students), flipped, holm(flipped), strict=True))


def _gain_cells(found: Found, p_values: Sequence[float]) -> Iterator[Plain]:
    yield from _interval_cells(found)
    yield from map(p_cell, p_values)
    yield _listed(found)


def _listed(found: Found) -> str:
    """Return the value of each set of seeds."""
    return " ".join(Number(100 * value, signed=True).text for value in found.values)


def _interval_cells(found: Found) -> Iterator[Number]:
    """Yield an estimate, with how many sets of seeds it is over, and the ends of its interval."""
    there = len(found.values) - sum(map(math.isnan, found.values))
    yield Number(100 * found.estimate.value, found=there, expected=len(found.values), signed=True)
    yield from (Number(100 * end, signed=True) for end in found.estimate.interval())


def p_cell(value: float) -> Shown:
    """Return a p-value as tables show it."""
    if math.isnan(value):
        return Shown(value, MISSING)
    return Shown(value, f"{value:.3f}" if value >= 0.001 else "<0.001")


def size_curves(means: Means) -> Table:
    """Return how the zero-shot score depends on the size of the intermediate training set, by training and target."""
    asked = [(series, target) for series in series_of(means) if series.has_trend for target in shown_targets(means)]
    asked = [(series, target) for series, target in asked if sets_of(means, series, target)]
    evidence = Evidence(means)
    trends = [slope(evidence, series, target) for series, target in asked]
    curves = [fitted(means, series, target) for series, target in asked]
    corrected = holm([one.found.estimate.p_value() for one in trends])
    rows: list[tuple[Plain, ...]] = []
    for (series, target), trend, p_value, curve in zip(asked, trends, corrected, curves, strict=True):
        keys = keys_without_size(means, series.entries[0])
        tested = (p_cell(p_value), _sizes_cell(series, trend.sizes), _listed(trend.found))
        rows.append((*keys, title_of(target), *_interval_cells(trend.found), *tested, *_curve_cells(curve)))
    numbers = ("slope", "low", "high", "p (Holm)", "sizes", "slope of each set of seeds", "curve", "n90")
    columns = (*columns_without_size(means), "target", *numbers)
    notes = (
        "zero-shot score: mean over languages without English, in points; slope: per factor of ten in size, the mean "
        f"over sets of seeds of one contrast over the sizes, with its {_PER_CENT} interval for other seeds and other "
        "examples, and its test for no trend; blank where a run is missing, or (n=) over the sets that have every size",
        f"sizes: those the slope is over; left out are sizes with fewer than {FEWEST_RUNS} runs for several sets of "
        f"seeds (a full training set has no data seed), and there is no slope over fewer than {FEWEST_SIZES}",
        "curve: the form with the lowest AICc of constant, log-linear, log-quadratic and power law, the baseline as "
        "size 0; n90: the size that gives 90 % of what the power law gains, with an interval for other "
        "seeds and other examples",
        f"fewer than {FEWEST_RUNS} sets of seeds have no interval, and name no curve",
        f"nothing is extrapolated beyond {DECADE:g} times the largest size",
        seeds_only([*(one.found.estimate for one in trends), *(one for one in curves if one and not one.why_not)]),
    )
    title = "Zero-shot score by size of the intermediate training set"
    lines = footer_of(means, means.targets, notes)
    return Table(title, columns, tuple(rows), lines, len(columns) - len(numbers), "size_curve")


def _sizes_cell(series: Series, sizes: Sequence[int]) -> Shown:
    """Return how many sizes of a series a slope is over, and from which to which."""
    asked, used = len(series.sizes), len(sizes)
    ends = {"smallest": min(sizes, default=math.nan), "largest": max(sizes, default=math.nan)}
    between = f": {sizes[0]:,} to {sizes[-1]:,}" if sizes else ""
    return Shown(used, (f"{used}" if used == asked else f"{used} of {asked}") + between, {"asked": asked, **ends})


def _curve_cells(found: Curve | None) -> tuple[str, Shown]:
    if found is None:
        return MISSING, _n90(MISSING)
    if found.why_not:
        return found.best.form if found.known else MISSING, _n90(
            f"not identified: {found.why_not}", why_not=found.why_not
        )
    low, high = found.n90_interval
    end = f"{high:,.0f}" if high < math.inf else f"beyond {DECADE * found.best.largest:,.0f}"
    return found.best.form, _n90(f"{found.n90:,.0f} [{low:,.0f}, {end}]", found.n90, low=low, high=high)


def _n90(
    text: str, value: float = math.nan, *, low: float = math.nan, high: float = math.nan, why_not: str = ""
) -> Shown:
    return Shown(value, text, {"low": low, "high": high, "why not": why_not})
