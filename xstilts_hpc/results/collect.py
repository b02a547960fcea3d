"""The collector: from the logits of a plan's runs to scores and what is missing. No GPU, tokenizer or data set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xstilts_hpc.errors import IncompleteError, XstiltsError
from xstilts_hpc.files import whole_file
from xstilts_hpc.next_command import for_folders
from xstilts_hpc.plan import Cell, GridFolder, Plan, PlannedRun
from xstilts_hpc.results.kept import FileScore, kept
from xstilts_hpc.results.named import find_submitted
from xstilts_hpc.results.rows import NOT_FINISHED, LogitsJob, score_files
from xstilts_hpc.results.score_table import ScoreTable, score_table
from xstilts_hpc.run import Prediction
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.tasks import task_of

# Column -> dtype, in the order of scores.csv.
COLUMNS: Mapping[str, str] = {
    "grid": "str",
    "run": "str",
    "intermediate": "str",
    "size": "int64",
    "full": "bool",
    "variant": "str",
    "schedule": "str",
    "data_seed": "int64",
    "train_seed": "int64",
    "target_seed": "int64",
    "target": "str",
    "language": "str",
    "split": "str",
    "metric": "str",
    "headline": "bool",
    "value": "float64",
    "examples": "int64",
    "flags": "str",
}


Answer = tuple[Cell, Prediction, FileScore]
_OF_CELL = tuple(item.name for item in fields(Cell))


@dataclass(frozen=True)
class MissingCell:
    """A cell without scores, in one language or ("") in all that were asked, and the reason."""

    cell: Cell
    language: str
    reason: str


@dataclass(frozen=True)
class RunState:
    """A run of the plan: `done` or `missing`, and why it is missing."""

    run: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Scores:
    """The scores of a plan.

    `frame` has the columns of COLUMNS: a row per cell, language and part of the metric (column `metric`); `value` is
    a fraction in [0, 1]; `headline` marks the parts whose mean a table shows; `examples` counts the scored examples.
    `missing` lists what has no score, `runs` the state of every run, `codes` the versions that wrote the logits;
    `root` is the folder of runs and grids.
    """

    frame: pd.DataFrame
    missing: tuple[MissingCell, ...]
    plan: Plan
    runs: tuple[RunState, ...] = ()
    codes: tuple[str, ...] = ()
    root: Path = Path()

    @cached_property
    def table(self) -> ScoreTable:
        """Return the values of the frame as an array."""
        return score_table(self.frame)

    @property
    def num_missing(self) -> int:
        """Return the number of cells that miss at least one language."""
        return len({item.cell for item in self.missing})

    @property
    def num_cells(self) -> int:
        """Return the number of cells that ask for a score."""
        return sum(1 for cell in self.plan.cells if asked(self.plan, cell))


def collect(grid: str | Path, root: str | Path, *, allow_partial: bool = False, processes: int = 1) -> Scores:
    """Score the logits of a grid, write scores.csv and scores.parquet beside its plan, and return the scores.

    `grid` is the name of a submitted grid or the path of its file, `root` the folder of all runs and grids. What can
    be scored is written in every case. More `processes` (0 = one per core, 16 at most) need a script whose main part is
    guarded by `if __name__ == "__main__"`.

    Raises IncompleteError where cells are missing, unless `allow_partial`; RunError where there is no plan;
    GridError where the name or file is no grid's.
    """
    folder, plan = find_submitted(grid, root)
    scores = gather(plan, Path(root), processes=processes)
    write_scores(scores, folder)
    if not allow_partial:
        require_complete(scores)
    return scores


def gather(plan: Plan, root: Path, *, processes: int = 1) -> Scores:
    """Score whatever the runs of a plan have left; writes nothing and raises nothing for what is missing."""
    jobs = {
        (planned.run.id, prediction.task, str(prediction.split)): LogitsJob(
            planned.run.id, run_folder(root, planned.run.id), prediction, kept(root, planned.run.id, prediction)
        )
        for planned in plan.runs.values()
        for prediction in planned.request.predictions
    }
    found = dict(zip(jobs, score_files(jobs.values(), processes), strict=True))
    answers = [
        (cell, prediction, found[cell.run, prediction.task, str(prediction.split)])
        for cell in plan.cells
        for prediction in asked(plan, cell)
    ]
    missing = tuple(item for cell, _, file in answers for item in _missing(cell, file))
    reasons = {item.cell.run: item.reason for item in reversed(missing)}
    runs = tuple(_state(planned, run_folder(root, run), reasons.get(run, "")) for run, planned in plan.runs.items())
    codes = tuple(sorted({file.code for file in found.values() if file.code}))
    return Scores(_frame(plan.name, answers), missing, plan, runs, codes, root)


def asked(plan: Plan, cell: Cell) -> tuple[Prediction, ...]:
    """Return the predictions that answer a cell; none where no language of the grid has this target."""
    predictions = plan.runs[cell.run].request.predictions
    return tuple(prediction for prediction in predictions if prediction.task == cell.target and prediction.data)


def write_scores(scores: Scores, folder: GridFolder) -> None:
    """Write scores.csv and scores.parquet as whole files."""
    with whole_file(folder.scores_csv) as partial:
        scores.frame.to_csv(partial, index=False, lineterminator="\n")
    with whole_file(folder.scores_parquet) as partial:
        scores.frame.to_parquet(partial, index=False, engine="pyarrow")


def require_complete(scores: Scores) -> None:
    """Raise IncompleteError with counts by reason and the next command where a cell is missing."""
    if not scores.missing:
        return
    name = scores.plan.name
    kinds: dict[str, dict[str, set[Cell]]] = {}
    for item in scores.missing:
        kinds.setdefault(item.reason.partition(":")[0], {}).setdefault(item.reason, set()).add(item.cell)
    look = for_folders(f"xstilts status {name}", scores.root)
    again = for_folders("xstilts submit GRID --profile PROFILE", scores.root)
    lines = [f"  {len(set().union(*cells.values()))} of them: {_shown(list(cells))}" for cells in kinds.values()]
    raise IncompleteError(
        f"grid {name}: {scores.num_missing} of {scores.num_cells} cells are missing; "
        "the others are written\n" + "\n".join(lines) + f"\nnext: {look} shows the runs, {again} "
        "hands over what is not done, --allow-partial accepts what there is"
    )


def _shown(reasons: list[str]) -> str:
    more = f" (and {len(reasons) - 1} like it)" if len(reasons) > 1 else ""
    return reasons[0] + more


def _missing(cell: Cell, file: FileScore) -> Iterator[MissingCell]:
    for language, reason in file.problems.items():
        yield MissingCell(cell, language, reason)


def _frame(grid: str, answers: Sequence[Answer]) -> pd.DataFrame:
    """Return the rows of all answers, put together by column: a million dictionaries would take gigabytes."""
    scores = [score for _, _, file in answers for score in file.scores]
    parts = [len(score.parts) for score in scores]
    answer = np.repeat(np.arange(len(answers)), [len(file.scores) for _, _, file in answers])
    of_answer, of_score = np.repeat(answer, parts), np.repeat(np.arange(len(scores)), parts)
    cells = [cell for cell, _, _ in answers]
    by_answer: dict[str, list[Any]] = {name: [getattr(cell, name) for cell in cells] for name in _OF_CELL}
    by_answer |= {"grid": [grid] * len(cells), "split": [str(prediction.split) for _, prediction, _ in answers]}
    by_score = {name: [getattr(score, name) for score in scores] for name in ("language", "examples", "flags")}
    by_row: dict[str, list[Any]] = {
        "metric": [part for score in scores for part in score.parts],
        "value": [value for score in scores for value in score.parts.values()],
    }
    targets = [cells[i].target for i in of_answer.tolist()]
    headline = {target: set(task_of(target).metric.headline_parts) for target in set(targets)}
    by_row["headline"] = [part in headline[target] for target, part in zip(targets, by_row["metric"], strict=True)]
    every = np.arange(len(of_score))
    levels = ((by_answer, of_answer), (by_score, of_score), (by_row, every))
    values = {name: (column, row) for columns, row in levels for name, column in columns.items()}
    return pd.DataFrame({name: _spread(*values[name], dtype) for name, dtype in COLUMNS.items()})


def _spread(values: list[Any], of_row: NDArray[np.int64], dtype: str) -> "pd.Series[Any]":
    """Return the value of each row, given as an index of values."""
    return pd.Series(pd.Series(values, dtype=dtype).array.take(of_row))


def _state(planned: PlannedRun, folder: RunFolder, reason: str) -> RunState:
    """Return the state of a run: its commit record covers what the plan asks and nothing of it was found missing."""
    if not reason:
        try:
            # whether an encoder is still there is nothing to scores
            reason = "" if folder.done(replace(planned.request, keep_encoder=False)) else _not_done(folder)
        except (XstiltsError, OSError, KeyError, TypeError) as error:
            reason = f"file damaged: {error}"
    return RunState(planned.run.id, "missing" if reason else "done", reason)


def _not_done(folder: RunFolder) -> str:
    more = (
        ": a product in its DONE.json is gone, or the plan asks for more than it has"
        if folder.done_json.is_file()
        else ""
    )
    return NOT_FINISHED + more
