"""The tables of what can be concluded: gains with intervals and corrected tests, and scores as a function of size."""

import math
from collections.abc import Iterable, Iterator, Sequence

from xstilts_hpc.results.collapsed import COLLAPSED_NOTE, WITHOUT, without_collapsed
from xstilts_hpc.results.evidence import Evidence, Found
from xstilts_hpc.results.means import BASELINE, Entry, Means
from xstilts_hpc.results.sizes import (
    ALL_TARGETS,
    Series,
    fitted,
    series_of,
    sets_of,
    shown_targets,
    slope,
    targets_of,
    title_of,
)
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

_PER_CENT = f"{100 * LEVEL:g} %"


def gain_intervals(means: Means) -> Table:
    """Return every gain over the baseline with its interval, its test, and the test corrected for their number."""
    trained = [(entry, BASELINE) for entry in means.entries if not entry.baseline]
    title = "Gain over the baseline with intervals, percentage points"
    return differences(means, trained, "gain", title, "gain_interval")


def differences(means: Means, pairs: Sequence[tuple[Entry, Entry]], what: str, title: str, name: str) -> Table:
    """Return what entries have more than others, on the mean of the targets and on each, with intervals and tests."""
    asked = [(*pair, target) for pair in pairs for target in shown_targets(means) if _is_asked(means, pair[0], target)]
    found = [_difference(means, *one) for one in asked]
    without = without_collapsed(means)
    tests = _tests(found, [target for *_, target in asked])
    rows = tuple(
        (*keys_of(means, one[0]), title_of(one[2]), *_gain_cells(estimated, p_values), *_without(without, *one))
        for one, estimated, p_values in zip(asked, found, tests, strict=True)
    )
    numbers = (what, "low", "high", *_TESTS, f"{what} of each set of seeds", *_without_columns(what, without))
    columns = (*key_columns(means), "target", *numbers)
    notes = (*_notes(means, what), seeds_only([one.estimate for one in found]), COLLAPSED_NOTE if without else "")
    return Table(title, columns, rows, footer_of(means, means.targets, notes), len(columns) - len(numbers), name)


def _is_asked(means: Means, entry: Entry, target: str) -> bool:
    return any(means.seeds(entry, one) for one in targets_of(means, target))


def _difference(means: Means, entry: Entry, other: Entry, target: str) -> Found:
    languages = {one: means.languages(one) for one in targets_of(means, target)}
    return Evidence(means).difference(entry, other, languages)


def _notes(means: Means, what: str) -> Iterator[str]:
    yield (
        f"low, high: {_PER_CENT} interval for other seeds and other examples: spread over the sets of seeds, and "
        f"{DRAWS} resamplings of the test set that all runs share (paragraphs with their questions, sentences, and "
        "translations of an example together), Student's t with Satterthwaite's degrees of freedom"
    )
    yield (
        f"none over fewer than {FEWEST_RUNS} sets of seeds, or runs that they are compared with; p: of no {what}, "
        f"two-sided; {_holm_note(means)}"
    )
    if len(means.targets) > 1:
        yield f"{title_of(ALL_TARGETS)}: only where no run of any target is missing"
    yield (
        f"permutation: the same without a distribution, by flipping the signs of the {what}s of sets of seeds that "
        f"share none; from {FEWEST_FLIPPED} such sets on, since with n of them it cannot be below 2 / 2^n"
    )


def _holm_note(means: Means) -> str:
    apart = ", the means of the targets and the single targets apart" if len(means.targets) > 1 else ""
    return f"Holm: corrected for the number of these tests{apart}"


_TESTS = ("p", "p (Holm)", "p (permutation)", "p (permutation, Holm)")


def seeds_only(found: Iterable[Estimate | Curve]) -> str:
    """Return the note of a table whose intervals are not all for other examples, "" where they are."""
    if not any(one.seeds_alone for one in found):
        return ""
    return "some intervals are over seeds alone: their runs have no scores on resampled test sets, or other test sets"


def _without_columns(what: str, without: Means | None) -> tuple[str, ...]:
    return tuple(f"{name} {WITHOUT}" for name in (what, "low", "high")) if without else ()


def _without(without: Means | None, entry: Entry, other: Entry, target: str) -> Iterator[Number]:
    """Yield the difference without collapsed runs, with its interval; nothing where no run collapsed."""
    if without:
        yield from _plain_interval(_difference(without, entry, other, target))


def _plain_interval(found: Found) -> Iterator[Number]:
    yield from (Number(100 * value, signed=True) for value in (found.estimate.value, *found.estimate.interval()))


def _tests(found: Sequence[Found], targets: Sequence[str]) -> list[tuple[float, ...]]:
    """Return the p-values of every difference in the order of their columns."""
    students = [one.estimate.p_value() for one in found]
    flipped = [one.permutation_p() for one in found]
    return list(zip(students, _corrected(students, targets), flipped, _corrected(flipped, targets), strict=True))


def _corrected(p_values: Sequence[float], targets: Sequence[str]) -> list[float]:
    """Return p-values corrected by Holm's method: means of the targets for their number, single targets for theirs.

    The means are what a study asks first, and would be lost among nine times as many tests.
    """
    means, single = (
        iter(holm([p for p, target in zip(p_values, targets, strict=True) if (target == ALL_TARGETS) == mean]))
        for mean in (True, False)
    )
    return [next(means if target == ALL_TARGETS else single) for target in targets]


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
    corrected = _corrected([one.found.estimate.p_value() for one in trends], [target for _, target in asked])
    without = without_collapsed(means)
    evidence_without = Evidence(without) if without else None
    rows: list[tuple[Plain, ...]] = []
    for (series, target), trend, p_value, curve in zip(asked, trends, corrected, curves, strict=True):
        keys = keys_without_size(means, series.entries[0])
        tested = (p_cell(p_value), _sizes_cell(series, trend.sizes), _listed(trend.found))
        more = _plain_interval(slope(evidence_without, series, target).found) if evidence_without else ()
        rows.append((*keys, title_of(target), *_interval_cells(trend.found), *tested, *_curve_cells(curve), *more))
    found = ("slope", "low", "high", "p (Holm)", "sizes", "slope of each set of seeds", "curve", "n90")
    numbers = (*found, *_without_columns("slope", without))
    columns = (*columns_without_size(means), "target", *numbers)
    notes = (
        "zero-shot score: mean over languages without English, in points; slope: per factor of ten in size, the mean "
        f"over sets of seeds of one contrast over the sizes, with its {_PER_CENT} interval for other seeds and other "
        "examples; blank where a run is missing, or (n=) over the sets that have every size",
        f"sizes: those the slope is over; left out are sizes with fewer than {FEWEST_RUNS} runs for several sets of "
        f"seeds (a full training set has no data seed), and there is no slope over fewer than {FEWEST_SIZES}",
        f"p: of no trend, two-sided; {_holm_note(means)}",
        "curve: the form with the lowest AICc of constant, log-linear, log-quadratic and power law, the baseline as "
        "size 0; n90: the size that gives 90 % of what the power law gains, with an interval for other "
        "seeds and other examples",
        f"fewer than {FEWEST_RUNS} sets of seeds have no interval, and name no curve",
        f"nothing is extrapolated beyond {DECADE:g} times the largest size",
        seeds_only([*(one.found.estimate for one in trends), *(one for one in curves if one and not one.why_not)]),
        COLLAPSED_NOTE if without else "",
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
