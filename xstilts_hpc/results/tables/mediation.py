"""The intermediate task's own dev score beside the transfer: is a better intermediate model a better start?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from xstilts_hpc.metrics.base import Floats
from xstilts_hpc.results.means import Entry, Means, Seeds
from xstilts_hpc.results.sizes import Series, languages_of, series_of
from xstilts_hpc.results.tables.parts import HEADLINE, headline_note
from xstilts_hpc.results.tables.table import (
    MISSING,
    Plain,
    Shown,
    Table,
    columns_without_size,
    footer_of,
    gains_of,
    key_columns,
    keys_of,
    keys_without_size,
    named_parts,
    number,
)
from xstilts_hpc.tasks import task_of

_FEWEST = 4


@dataclass(frozen=True)
class Pair:
    """One run: the own dev score of its intermediate training, its zero-shot score on a target; fractions."""

    entry: Entry
    own: float
    transfer: float


def pairs(means: Means, series: Series, target: str) -> list[Pair]:
    """Return the runs of a series on a target that have both scores."""
    found = [
        Pair(entry, _own(means, entry, seeds), means.over_languages(entry, target, seeds, languages_of(means, target)))
        for entry in series.entries
        for seeds in means.seeds(entry, target)
    ]
    return [pair for pair in found if not math.isnan(pair.own + pair.transfer)]


def _own(means: Means, entry: Entry, seeds: Seeds) -> float:
    """Return the mean over an intermediate training's tasks of the score on their dev sets."""
    own = [
        means.over_languages(entry, task, known, means.languages(task))
        for task in means.own.get(entry, ())
        for known in means.seeds(entry, task)
        if known[:2] == seeds[:2]
    ]
    return float(np.mean(own)) if own else math.nan


def intermediate(means: Means) -> Table:
    """Return the intermediate tasks' scores on their own English dev sets, and beside them the gains on the targets.

    Parts of a metric are in rows of their own.
    """
    asked = [(entry, name) for entry in means.entries for name in means.own.get(entry, ())]
    rows = tuple(
        (*keys_of(means, entry), task_of(task).title, name, *_beside_gains(means, entry, task, part))
        for entry, task in asked
        for part, name in named_parts(means, task)
    )
    own = tuple(dict.fromkeys(task for _, task in asked))
    titles = (f"{task_of(target).title} gain" for target in means.targets)
    columns = (*key_columns(means), "dev set", "metric", "score", *titles)
    notes = (
        *dict.fromkeys(headline_note(task_of(task).metric) for task in own),
        "gain: the target's score minus the baseline's, same target seed, in percentage points"
        if means.targets
        else "",
    )
    lines = footer_of(means, (*own, *means.targets), notes)
    title = "Intermediate tasks on their own dev sets, per cent, and the gains on the targets"
    return Table(title, columns, rows, lines, len(key_columns(means)) + 2, "intermediate")


def _beside_gains(means: Means, entry: Entry, task: str, part: str) -> Iterator[Plain]:
    yield number(means.score(entry, task, means.languages(task), part=part))
    for gain in gains_of(means, entry):
        yield number(gain, signed=True) if part == HEADLINE else ""


def mediation(means: Means) -> Table:
    """Return, by intermediate training and target, how own dev scores and zero-shot scores go together."""
    asked = [(series, target) for series in series_of(means) for target in means.targets]
    found = [(series, target, pairs(means, series, target)) for series, target in asked]
    rows = tuple(
        (*keys_without_size(means, series.entries[0]), task_of(target).title, *_cells(runs))
        for series, target, runs in found
        if runs
    )
    columns = (*columns_without_size(means), "target", "runs", "rank correlation", "within sizes", "slope")
    notes = (
        "own dev score: the mean over the intermediate training's tasks; zero-shot score: mean over languages without "
        "English; rank correlation: Spearman's, over the runs of all sizes; within sizes: the correlation of what is "
        "left when each size's means are taken off, since both may rise with size without a link between them",
        f"slope: points of zero-shot score per point of own dev score; {MISSING}: under {_FEWEST} runs, or no spread",
    )
    title = "Own dev score of the intermediate training and zero-shot score"
    return Table(title, columns, rows, footer_of(means, means.targets, notes), len(columns) - 4, "mediation")


def _cells(runs: list[Pair]) -> Iterator[Plain]:
    own, transfer = (np.array([getattr(run, name) for run in runs]) for name in ("own", "transfer"))
    yield len(runs)
    yield _shown(_correlation(rankdata(own), rankdata(transfer)))
    entries = [run.entry for run in runs]
    yield _shown(_correlation(_within(own, entries), _within(transfer, entries)))
    varies = len(runs) >= _FEWEST and np.ptp(own) > 0
    yield _shown(float(np.polyfit(own, transfer, 1)[0]) if varies else math.nan)


def _within(values: Floats, entries: list[Entry]) -> Floats:
    """Return what is left of values when the mean of each entry is taken off."""
    groups = np.unique([entry.size for entry in entries], return_inverse=True)[1]
    return values - (np.bincount(groups, values) / np.bincount(groups))[groups]


def _correlation(x: Floats, y: Floats) -> float:
    flat = 1e-12
    if len(x) < _FEWEST or np.ptp(x) < flat or np.ptp(y) < flat:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _shown(value: float) -> Shown:
    return Shown(value, MISSING if math.isnan(value) else f"{value:z.2f}")
