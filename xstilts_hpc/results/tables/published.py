"""Published scores beside a grid's own; nothing that was not found is filled in."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xstilts_hpc.errors import GridError
from xstilts_hpc.results.means import Entry, Mean, Means
from xstilts_hpc.results.tables.footer import is_made_up
from xstilts_hpc.results.tables.study import BEST, best_note, best_per_target
from xstilts_hpc.results.tables.table import Plain, Table, entry_title, footer_of, number
from xstilts_hpc.results.xtreme_layout import ALL_TASKS, GROUPS
from xstilts_hpc.tasks import task_of
from xstilts_hpc.yaml_file import load_yaml

NOT_TRANSCRIBED = "not transcribed"


# The tasks of each average that sources print: the mean over the tasks of a group, then over groups.
_SEVEN = tuple(task for task in ALL_TASKS if task not in GROUPS["retrieval"])
_TRAINED = ("classification", "tagging", "qa")
_AVERAGES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **{name: (GROUPS[name],) for name in _TRAINED},
    "seven tasks": (_SEVEN,),
    "three groups": tuple(GROUPS[name] for name in _TRAINED),
    "all nine": (ALL_TASKS,),
}


class Row(BaseModel):
    """What one source prints, in per cent.

    By task the score, or exact match and F1, or F1 alone; averages over tasks; and scores by task and language.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    split: Literal["dev", "test"]
    source: str
    doubt: str = ""
    scores: dict[str, float | list[float]] = {}
    averages: dict[str, float] = {}
    languages: dict[str, dict[str, float]] = {}

    def shown(self, target: str) -> str:
        """Return a score as the table shows it: a mean over languages, for question answering a mean with its parts."""
        if target in self.languages:
            return self.over_languages(target, self.languages[target])
        value = self.scores.get(target)
        if not isinstance(value, list):
            return _shown(value)
        if len(value) == 1:
            return f"F1 {value[0]:.1f}"
        return f"{np.mean(value):.1f} ({value[0]:.1f} / {value[1]:.1f})"

    def over_languages(self, target: str, languages: Iterable[str]) -> str:
        """Return the mean over some languages as the table shows it; nothing where one was not found."""
        values = [self.languages[target].get(language, math.nan) for language in languages]
        mean = float(np.mean(values))
        return _shown(None if math.isnan(mean) else mean)


class Claim(BaseModel):
    """What the study claims: a gain in points, or words; `name` says what in a grid is set beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    says: str
    published: str
    source: str
    doubt: str = ""


class Published(BaseModel):
    """The file of published scores and claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(alias="schema")
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]


@cache
def published() -> Published:
    """Return the published scores and claims."""
    with resources.as_file(resources.files("xstilts_hpc.results.tables") / "published.yaml") as path:
        return load_yaml(Path(path), Published, GridError)


def cited(found: Row | Claim) -> str:
    """Return where something published is from, and what is in doubt."""
    return found.source + (f"; in doubt: {found.doubt}" if found.doubt else "")


def beside_published(means: Means) -> Table:
    """Return the published scores, then the grid's own: its baseline, each full size, and the best per target.

    A baseline alone has them too: whether it is what others found comes before any gain.
    """
    targets = _targets(means)
    averages = [name for name, groups in _AVERAGES.items() if set(chain(*groups)) <= set(targets)]
    rows: list[tuple[Plain, ...]] = [
        (row.name, row.split, *map(row.shown, targets), *(_shown(row.averages.get(name)) for name in averages))
        for row in published().rows
    ]
    own = [(_title(entry), [_score(means, entry, target) for target in targets]) for entry in _shown_entries(means)]
    best = best_per_target(means, means.score, targets)
    for title, scores in (*own, *([(f"{BEST}, per target", best)] if best else [])):
        by_task = dict(zip(targets, scores, strict=True))
        over = [_average(means, by_task, _AVERAGES[name]) for name in averages]
        rows.append((f"this grid: {title}", _splits(means, targets), *map(number, (*scores, *over))))
    notes = (
        "question answering: mean of exact match and F1 (exact match / F1)",
        "computed here of what is published: that mean, and means over languages where only scores by language are "
        "printed; all else as printed",
        *(f"{name}: mean over {_members(name)}" for name in averages),
        best_note(means),
        *(f"{row.name}: {cited(row)}" for row in published().rows),
    )
    columns = ("scores", "split", *(task_of(target).title for target in targets), *averages)
    title = "Published scores beside this grid's, per cent"
    return Table(title, columns, tuple(rows) if targets else (), footer_of(means, targets, notes), 2, "published")


def beside_published_languages(means: Means) -> Iterator[Table]:
    """Yield a table for each target of which published scores by language were found, beside the grid's own."""
    for target in _targets(means):
        codes, found = means.languages(target), [row for row in published().rows if target in row.languages]
        rows: list[tuple[Plain, ...]] = [
            (row.name, row.split, *(row.over_languages(target, some) for some in _each_and_all(codes))) for row in found
        ]
        for entry in _shown_entries(means):
            scores = (number(means.score(entry, target, some)) for some in _each_and_all(codes))
            rows.append((f"this grid: {_title(entry)}", means.splits[target], *scores))
        notes = (
            "all: mean over these languages, also of what is published",
            *(f"{row.name}: {cited(row)}" for row in found),
        )
        title = f"Published scores on {task_of(target).title} by language beside this grid's, per cent"
        lines = footer_of(means, (target,), notes)
        columns = ("scores", "split", *codes, "all")
        yield Table(title, columns, tuple(rows) if found else (), lines, 2, f"published_{target}")


def _targets(means: Means) -> tuple[str, ...]:
    """Return the targets with published scores that the grid asks for; none where its languages are made up."""
    return () if is_made_up(means.plan) else tuple(target for target in ALL_TASKS if target in means.targets)


def _shown_entries(means: Means) -> list[Entry]:
    return [entry for entry in means.entries if entry.baseline or entry.full]


def _score(means: Means, entry: Entry, target: str) -> Mean:
    return means.score(entry, target, means.languages(target))


def _average(means: Means, scores: Mapping[str, Mean], groups: Iterable[Sequence[str]]) -> Mean:
    return means.over(means.over(scores[task] for task in tasks) for tasks in groups)


def _members(name: str) -> str:
    """Return what an average is over: tasks, or groups of them."""
    groups = _AVERAGES[name]
    return ", ".join(_TRAINED if len(groups) > 1 else groups[0])


def _each_and_all(codes: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from ((code,) for code in codes)
    yield codes


def _shown(value: float | None) -> str:
    return NOT_TRANSCRIBED if value is None else f"{value:.1f}"


def _title(entry: Entry) -> str:
    return ", ".join(filter(None, (entry_title(entry), entry.variant, entry.schedule)))


def _splits(means: Means, targets: Sequence[str]) -> str:
    return "/".join(dict.fromkeys(means.splits[target] for target in targets))
