"""The states of a plan's runs counted by stage and by the grid's axes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from xstilts_hpc.cluster.status import State
from xstilts_hpc.errors import GridError, nearest
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan, PlannedRun, Stage, by_stage
from xstilts_hpc.training import short_variant

# The axes of a grid, by the names of a cell's entries.
AXES = ("intermediate", "size", "target", "data_seed", "train_seed", "target_seed", "schedule", "variant")
DEFAULT_AXES = ("intermediate",)
# What an intermediate training has none of: it serves every target.
_OF_TARGETS = ("target", "target_seed")
_NONE = "-"

Row = tuple[str, ...]


def check_axes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of axes; GridError where one is none."""
    for name in names:
        if name not in AXES:
            raise GridError(f"--by {name}: a grid has no such axis; {nearest(name, AXES)}")
    return tuple(dict.fromkeys(names))


def counts(plan: Plan, found: Mapping[str, State], by: Sequence[str] = ()) -> dict[Row, Counter[State]]:
    """Return how many runs of each stage and of each value of the axes `by` are in each state.

    A run that answers cells of several values (one SQuAD training serves XQuAD and MLQA) counts in each of their rows.
    """
    rows: dict[Row, Counter[State]] = {}
    values = _values(plan, by)
    for stage, runs in by_stage(plan):
        mine: dict[Row, Counter[State]] = {}
        for planned in runs:
            for value in values[planned.run.id]:
                mine.setdefault(value, Counter())[found[planned.run.id]] += 1
        rows |= {(str(stage), *map(_word, value)): mine[value] for value in sorted(mine, key=_in_order)}
    return rows


def status_table(plan: Plan, found: Mapping[str, State], by: Sequence[str] = ()) -> Table:
    """Return the table of stage and axes by state; a state in which no run is has no column."""
    here = [state for state in State if state in set(found.values())]
    rows = counts(plan, found, by)
    shown = [name for number, name in enumerate(by, 1) if any(row[number] != _NONE for row in rows)]
    table = Table("stage", *shown, title=plan.name)
    for state in (*here, "runs"):
        table.add_column(str(state), justify="right")
    for row, numbers in rows.items():
        words = [row[by.index(name) + 1] for name in shown]
        table.add_row(row[0], *words, *_cells(numbers, here), end_section=_is_last(row, list(rows)))
    table.add_row("all", *[""] * len(shown), *_cells(Counter(found.values()), here))
    return table


def _cells(numbers: Counter[State], here: Sequence[State]) -> Iterator[str]:
    yield from (str(numbers[state] or "") for state in here)
    yield str(numbers.total())


def _is_last(row: Row, rows: Sequence[Row]) -> bool:
    """Say whether a row is the last of its stage."""
    number = rows.index(row)
    return number + 1 == len(rows) or rows[number + 1][0] != row[0]


def _values(plan: Plan, by: Sequence[str]) -> dict[str, set[tuple[Any, ...]]]:
    """Return the values of the axes for each run: those of its cells, or of its children's where it answers none."""
    values: dict[str, set[tuple[Any, ...]]] = {run_id: set() for run_id in plan.runs}
    for cell in plan.cells:
        planned = plan.runs.get(cell.run)
        if planned:
            values[cell.run].add(_of_cell(cell, planned, by))
    above: dict[str, set[tuple[Any, ...]]] = {}
    for cell in plan.cells:
        parent = plan.runs[cell.run].run.parent if cell.run in plan.runs else ""
        if parent in plan.runs and not values[parent]:
            above.setdefault(parent, set()).add(_of_cell(cell, plan.runs[parent], by))
    nothing = {tuple(_NONE for _ in by)}
    return {run_id: found or above.get(run_id) or nothing for run_id, found in values.items()}


def _of_cell(cell: Cell, planned: PlannedRun, by: Sequence[str]) -> tuple[Any, ...]:
    serves_all = planned.stage == Stage.INTERMEDIATE
    return tuple(_NONE if serves_all and name in _OF_TARGETS else getattr(cell, name) for name in by)


def _word(value: Any) -> str:
    """Return a value as the table shows it: a seed that does not apply, or no variant, as a dash."""
    if value in ("", UNUSED_SEED):
        return _NONE
    return short_variant(value) if isinstance(value, str) else f"{value}"


def _in_order(values: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    """Return a key that sorts numbers as numbers and words as words."""
    return [(isinstance(value, str), value) for value in values]
