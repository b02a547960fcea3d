"""Published scores beside a grid's own; nothing that was not found is filled in."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xstilts_hpc.errors import GridError
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.tables.footer import is_made_up
from xstilts_hpc.results.tables.study import BEST, best_note, best_per_target
from xstilts_hpc.results.tables.table import Number, Plain, Table, entry_title, footer_of, number
from xstilts_hpc.results.xtreme_layout import ALL_TASKS
from xstilts_hpc.tasks import task_of
from xstilts_hpc.yaml_file import load_yaml

NOT_TRANSCRIBED = "not transcribed"


class Row(BaseModel):
    """What one source prints: by task the score, or exact match and F1, or F1 alone, in per cent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    split: Literal["dev", "test"]
    source: str
    doubt: str = ""
    scores: dict[str, float | list[float]]

    def shown(self, target: str) -> str:
        """Return a score as the table shows it: for question answering the mean, with its parts."""
        value = self.scores.get(target)
        if value is None:
            return NOT_TRANSCRIBED
        if not isinstance(value, list):
            return f"{value:.1f}"
        if len(value) == 1:
            return f"F1 {value[0]:.1f}"
        return f"{np.mean(value):.1f} ({value[0]:.1f} / {value[1]:.1f})"


class Published(BaseModel):
    """The file of published scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(alias="schema")
    rows: tuple[Row, ...]


@cache
def published() -> tuple[Row, ...]:
    """Return the published scores."""
    with resources.as_file(resources.files("xstilts_hpc.results.tables") / "published.yaml") as path:
        return load_yaml(Path(path), Published, GridError).rows


def beside_published(means: Means) -> Table:
    """Return the published scores, then the grid's own: its baseline, each full size, and the best per target.

    A baseline alone has them too: whether it is what others found comes before any gain.
    """
    targets = () if is_made_up(means.plan) else tuple(target for target in ALL_TASKS if target in means.targets)
    rows: list[tuple[Plain, ...]] = [
        (row.name, row.split, *(row.shown(target) for target in targets)) for row in published()
    ]
    shown = [entry for entry in means.entries if entry.baseline or entry.full]
    rows += [(f"this grid: {_title(entry)}", _splits(means, targets), *_own(means, entry, targets)) for entry in shown]
    best = best_per_target(means, means.score, targets)
    if best:
        rows.append((f"this grid: {BEST}, per target", _splits(means, targets), *map(number, best)))
    notes = (
        "question answering: mean of exact match and F1 (exact match / F1); published values are shown, never computed",
        best_note(means),
        *(f"{row.name}: {row.source}" + (f"; in doubt: {row.doubt}" if row.doubt else "") for row in published()),
    )
    columns = ("scores", "split", *(task_of(target).title for target in targets))
    title = "Published scores beside this grid's, per cent"
    return Table(title, columns, tuple(rows) if targets else (), footer_of(means, targets, notes), 2, "published")


def _title(entry: Entry) -> str:
    return ", ".join(filter(None, (entry_title(entry), entry.variant, entry.schedule)))


def _splits(means: Means, targets: Sequence[str]) -> str:
    return "/".join(dict.fromkeys(means.splits[target] for target in targets))


def _own(means: Means, entry: Entry, targets: Sequence[str]) -> Iterator[Number]:
    for target in targets:
        yield number(means.score(entry, target, means.languages(target)))
