"""The tables of a grid, from its scores: plain cells that every renderer shares. Per cent begins here."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xstilts_hpc.results.collapsed import COLLAPSED_NOTE, WITHOUT, without_collapsed
from xstilts_hpc.results.means import Entry, Mean, Means
from xstilts_hpc.results.tables.footer import footer
from xstilts_hpc.results.tables.parts import HEADLINE, headline_note, part_name
from xstilts_hpc.results.tables.study import BEST, best_note, best_per_target
from xstilts_hpc.results.xtreme_layout import ALL_TASKS, GROUPS
from xstilts_hpc.tasks import task_of
from xstilts_hpc.training import MIXTURE

MISSING = "--"
_MORE_KEYS = ("variant", "schedule")


@dataclass(frozen=True)
class Number:
    """A number in per cent (NaN = missing), its spread (NaN = none), and how many of its members were there."""

    value: float
    spread: float = math.nan
    found: int = 0
    expected: int = 0
    signed: bool = False
    best: bool = False

    @property
    def missing(self) -> bool:
        """Say whether there is no number."""
        return math.isnan(self.value)

    @property
    def partial(self) -> bool:
        """Say whether the number is a mean with members missing."""
        return not self.missing and self.found < self.expected

    @property
    def members(self) -> str:
        """Return `n=` where members are missing."""
        return f" (n={self.found}/{self.expected})" if self.partial else ""

    @property
    def text(self) -> str:
        """Return the number with one decimal, its spread, and `n=` where members are missing."""
        if self.missing:
            return MISSING
        spread = "" if math.isnan(self.spread) else f" ± {self.spread:z.1f}"
        return f"{self.value:{'+' if self.signed else ''}z.1f}{spread}{self.members}"


@dataclass(frozen=True)
class Shown:
    """A number that is not per cent (NaN = missing), and the words that show it; CSV and Parquet have it unrounded.

    They also have `beside`, each in a column of its own: what the words say beyond the number.
    """

    value: float
    text: str
    beside: Mapping[str, str | float] = field(default_factory=dict)


Plain = str | int | float | Number | Shown


@dataclass(frozen=True)
class Table:
    """A table: the first `keys` columns name a row, the others are numbers; `name` is what its files are called."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Plain, ...], ...]
    footer: tuple[str, ...] = ()
    keys: int = 1
    name: str = "table"


def text(cell: Plain) -> str:
    """Return a cell as every renderer but CSV shows it: one decimal, thousands separated, NaN as `--`."""
    if isinstance(cell, Number | Shown):
        return cell.text
    if isinstance(cell, float):
        return Number(cell).text
    return f"{cell:,}" if isinstance(cell, int) else cell


def by_task(means: Means) -> Table:
    """Return the table of target tasks: the baseline first, then each intermediate task and size."""
    titles = tuple(task_of(target).title for target in means.targets)
    kinds = {"": means, f" {WITHOUT}": without_collapsed(means)}
    counted = {words: some for words, some in kinds.items() if some is not None}
    rows = tuple(
        (
            *keys_of(means, entry),
            *(number(means.score(entry, target, means.languages(target))) for target in means.targets),
            *(cell for some in counted.values() for cell in _over_targets(some, entry)),
        )
        for entry in means.entries
    )
    title = "Target tasks, per cent: mean over languages, then over seeds"
    columns = (*key_columns(means), *titles, *(f"{name}{words}" for words in counted for name in ("mean", "gain")))
    notes = (
        "mean: over the target tasks; gain: the same mean of score minus baseline, same target seed",
        "" if any(entry.baseline for entry in means.entries) else "no baseline in this grid, so no gain",
        COLLAPSED_NOTE if len(counted) > 1 else "",
    )
    return Table(title, columns, rows, footer_of(means, means.targets, notes), _num_keys(means), "by_task")


def _over_targets(means: Means, entry: Entry) -> Iterator[Plain]:
    yield number(means.over(means.score(entry, target, means.languages(target)) for target in means.targets))
    yield "" if entry.baseline else _gain(means.over(gains_of(means, entry)))


def by_group(means: Means) -> Table:
    """Return the means over the tasks of each of XTREME's groups that are all asked, and over all nine."""
    groups = {**GROUPS, "all nine": ALL_TASKS}
    asked = {name: tasks for name, tasks in groups.items() if set(tasks) <= set(means.targets)}
    rows = tuple(_row(*keys_of(means, entry), *_by_group_row(means, entry, asked.values())) for entry in means.entries)
    title = "XTREME's groups of target tasks, per cent: mean over the tasks of a group"
    targets = tuple(target for target in means.targets if any(target in tasks for tasks in asked.values()))
    notes = (*(f"{name}: {', '.join(tasks)}" for name, tasks in asked.items() if name in GROUPS),)
    lines = footer_of(means, targets, notes)
    return Table(title, (*key_columns(means), *asked), rows if asked else (), lines, _num_keys(means), "by_group")


def _by_group_row(means: Means, entry: Entry, groups: Iterable[Sequence[str]]) -> Iterator[Number]:
    for tasks in groups:
        yield number(means.over(means.score(entry, task, means.languages(task)) for task in tasks))


def by_language(means: Means) -> Iterator[Table]:
    """Yield a table for each target task: a column per language, English first, then the means.

    A row per entry; where the metric has parts, they are rows below.
    """
    for target in means.targets:
        metric, parted = task_of(target).metric, bool(means.parts(target))
        everywhere, zero_shot = means.languages(target), means.zero_shot(target)
        keys = (*key_columns(means), "metric") if parted else key_columns(means)
        rows = tuple(
            _row(*keys_of(means, entry), *([name] if parted else []), *_by_language_row(means, entry, target, part))
            for entry in means.entries
            for part, name in named_parts(means, target)
        )
        counted = f"; zero-shot: over the {len(zero_shot)} that are not English" if zero_shot else ""
        notes = (f"all: mean over {counted_languages(len(everywhere))}{counted}", headline_note(metric))
        title = f"{task_of(target).title} by language, {'' if parted else f'{metric.name} in '}per cent"
        columns = (*keys, *everywhere, "all", *(["zero-shot"] if zero_shot else []))
        yield Table(title, columns, rows, footer_of(means, (target,), notes), len(keys), f"by_language_{target}")


def named_parts(means: Means, target: str) -> Iterator[tuple[str, str]]:
    """Yield the headline of a task's metric and each part that is shown beside it, with their names."""
    yield HEADLINE, task_of(target).metric.name
    for part in means.parts(target):
        yield part, part_name(part)


def counted_languages(number: int) -> str:
    """Return a number of languages in words that fit it."""
    return f"{number} language" + ("" if number == 1 else "s")


def _by_language_row(means: Means, entry: Entry, target: str, part: str) -> Iterator[Number]:
    """Yield a number per language, without its spread to keep 40 columns narrow, then the means with theirs."""
    for code in means.languages(target):
        yield replace(number(means.score(entry, target, (code,), part=part)), spread=math.nan)
    for codes in filter(None, (means.languages(target), means.zero_shot(target))):
        yield number(means.score(entry, target, codes, part=part))


def gains(means: Means) -> Table:
    """Return the gains over the baseline by target task, the best of each column marked.

    The last row has the best single task at full size, as the study chooses it.
    """
    entries = [entry for entry in means.entries if not entry.baseline]
    values = [[*(g := gains_of(means, entry)), means.over(g)] for entry in entries]
    best = [_best(column) for column in zip(*values, strict=True)]
    without = without_collapsed(means)
    more = [[_gain(without.over(gains_of(without, entry)))] if without else [] for entry in entries]
    rows = tuple(
        _row(*keys_of(means, entry), *(_gain(mean, best=i in best[j]) for j, mean in enumerate(row)), *more[i])
        for i, (entry, row) in enumerate(zip(entries, values, strict=True))
    )
    chosen = best_per_target(means, means.gain, means.targets)
    if chosen:
        numbers = (_gain(mean) for mean in (*chosen, means.over(chosen)))
        rows = (*rows, _row(BEST, *[""] * (_num_keys(means) - 1), *numbers, *[""] * bool(without)))
    titles = (task_of(target).title for target in means.targets)
    columns = (*key_columns(means), *titles, "mean", *[f"mean {WITHOUT}"] * bool(without))
    notes = (
        "gain: score minus the baseline's, same target seed, in percentage points; the best complete row is marked",
        best_note(means),
        COLLAPSED_NOTE if without else "",
    )
    title = "Gain over the baseline, percentage points"
    return Table(title, columns, rows, footer_of(means, means.targets, notes), _num_keys(means), "gain")


def _row(*cells: Plain) -> tuple[Plain, ...]:
    return cells


def gains_of(means: Means, entry: Entry) -> list[Mean]:
    """Return an entry's gain on every target."""
    return [means.gain(entry, target, means.languages(target)) for target in means.targets]


def _best(column: Sequence[Mean]) -> set[int]:
    """Return the rows with the greatest complete gain as it is printed, so that equal numbers are marked alike."""
    shown = {i: round(100 * mean.value, 1) for i, mean in enumerate(column) if mean.complete}
    greatest = max(shown.values(), default=math.inf)
    return {i for i, value in shown.items() if value == greatest}


def number(mean: Mean, *, signed: bool = False, best: bool = False) -> Number:
    """Return a mean of fractions as a table shows it."""
    return Number(100 * mean.value, 100 * mean.spread, mean.found, mean.expected, signed, best)


def _gain(mean: Mean, *, best: bool = False) -> Number:
    return number(mean, signed=True, best=best)


def _more_keys(means: Means) -> list[str]:
    """Return what else needs a column: `variant` where an entry has one, `schedule` where entries differ in it."""
    variants, schedules = ({getattr(e, name) for e in means.entries if not e.baseline} for name in _MORE_KEYS)
    return [name for name, needed in zip(_MORE_KEYS, (any(variants), len(schedules) > 1), strict=True) if needed]


def key_columns(means: Means) -> tuple[str, ...]:
    """Return the names of the columns that name a row of an entry."""
    return ("intermediate", "examples", *_more_keys(means))


def _num_keys(means: Means) -> int:
    return len(key_columns(means))


def keys_of(means: Means, entry: Entry) -> tuple[str, ...]:
    """Return the cells that name a row of an entry."""
    shown = {"variant": means.shown_variants[entry.variant], "schedule": entry.schedule}
    more = [shown[name] for name in _more_keys(means)]
    if entry.baseline:
        return ("none (baseline)", "", *more)
    return (entry_title(entry), f"{entry.size:,}" + (" (full)" if entry.full else ""), *more)


def columns_without_size(means: Means) -> tuple[str, ...]:
    """Return the names of the columns that name a row of all sizes of an intermediate training."""
    columns = key_columns(means)
    return (columns[0], *columns[2:])


def keys_without_size(means: Means, entry: Entry) -> tuple[str, ...]:
    """Return the cells that name a row of all sizes of an entry's intermediate training."""
    keys = keys_of(means, entry)
    return (keys[0], *keys[2:])


def entry_title(entry: Entry) -> str:
    """Return the name of an entry's intermediate task as tables and figures show it."""
    if entry.baseline:
        return "none (baseline)"
    return MIXTURE if entry.intermediate == MIXTURE else task_of(entry.intermediate).title


def footer_of(means: Means, targets: Sequence[str], notes: Sequence[str]) -> tuple[str, ...]:
    """Return the lines under a table: its own notes, variants spelt out, and where the numbers come from."""
    spelt = (f"{shown}: {full}" for full, shown in means.shown_variants.items() if shown != full)
    return (*filter(None, notes), *spelt, *footer(means, targets))
