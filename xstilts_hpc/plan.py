"""The plan: the distinct runs that answer a grid, and which run answers each cell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import MALFORMED, digest_of, fits, made_of, read_record, write_json
from xstilts_hpc.finished import Finished
from xstilts_hpc.run import Request, Run
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Role

SCHEMA = 1
# A seed that does not apply to a cell.
UNUSED_SEED = -1


class Stage(StrEnum):
    """Where a run stands in the study's procedure."""

    INTERMEDIATE = "intermediate"
    TARGET = "target"
    RETRIEVAL = "retrieval"


@dataclass(frozen=True)
class Cell:
    """An entry of the results table: one intermediate training, one target, one set of seeds, and its run.

    `size` is the number of examples of the intermediate training set (0 for the baseline); seeds that do not apply
    are -1. A cell whose target is the intermediate task itself holds that task's own English dev score.
    """

    intermediate: str
    size: int
    full: bool
    variant: str
    schedule: str
    data_seed: int
    train_seed: int
    target_seed: int
    target: str
    run: str

    @property
    def own(self) -> bool:
        """Say whether the cell is an intermediate task's score on its own dev set."""
        return Role.TARGET not in task_of(self.target).roles


@dataclass(frozen=True)
class PlannedRun:
    """A run, its stage, what is asked of it, and what its cost depends on.

    `train_examples` counts the training set, `train_characters` is the mean length of one of its examples; `predicted`
    has both numbers of each task that is predicted, over all of its languages.
    """

    run: Run
    stage: Stage
    request: Request
    train_examples: int = 0
    train_characters: float = 0.0
    predicted: Mapping[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Excluded:
    """A cell that the grid leaves out, and the reason it gives."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Plan:
    """The runs of a grid in an order that puts parents first, and its cells.

    `absent` lists the languages of each target task without a labelled file of the scored split (and intermediate
    tasks without a dev set), `left_out` the unreadable rows of each training set, which are not trained on. `asked` is
    the digest of the grid file, "" where the plan was written before that was kept.
    """

    name: str
    question: str
    data: str
    runs: Mapping[str, PlannedRun]
    cells: tuple[Cell, ...]
    excluded: tuple[Excluded, ...]
    absent: Mapping[str, tuple[str, ...]]
    digest: str
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asked: str = ""

    def done(self, root: Path) -> set[str]:
        """Return the ids of the runs whose commit record covers what this plan asks.

        An encoder is asked for only as long as a run that starts from it is not done.
        """
        finished, done = Finished(root), set[str]()
        spared = {planned.run.parent for planned in self.runs.values()}  # parents of which no child needs the encoder
        for run_id, planned in reversed(list(self.runs.items())):  # children first
            wanted = replace(planned.request, keep_encoder=False) if run_id in spared else planned.request
            if finished.done(run_id, wanted):
                done.add(run_id)
            else:
                spared.discard(planned.run.parent)
        finished.save()
        return done

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        write_json(
            path,
            indent=None,
            value={"schema": SCHEMA, "runs": [_run_json(planned) for planned in self.runs.values()], **_plain(self)},
        )


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "question": plan.question,
        "data": plan.data,
        "cells": [vars(cell) for cell in plan.cells],
        "excluded": [{"cell": vars(item.cell), "reason": item.reason} for item in plan.excluded],
        "absent": {target: list(languages) for target, languages in plan.absent.items()},
        "left_out": {task: list(rows) for task, rows in plan.left_out.items()},
        "digest": plan.digest,
        "asked": plan.asked,
    }


def _run_json(planned: PlannedRun) -> dict[str, Any]:
    return {
        "run": planned.run.to_json(),
        "stage": planned.stage,
        "request": planned.request.to_json(),
        "train_examples": planned.train_examples,
        "train_characters": planned.train_characters,
        "predicted": {task: list(sizes) for task, sizes in planned.predicted.items()},
    }


def _run_from_json(value: Mapping[str, Any]) -> PlannedRun:
    run, stage, request = Run.from_json(value["run"]), Stage(value["stage"]), Request.from_json(value["request"])
    predicted = {task: (int(n), float(characters)) for task, (n, characters) in value.get("predicted", {}).items()}
    sizes = {name: value[name] for name in ("train_examples", "train_characters")}
    return made_of(PlannedRun, {"run": run, "stage": stage, "request": request, "predicted": predicted, **sizes})


def load_plan(path: Path | str) -> Plan:
    """Read a plan that `submit` wrote (`<root>/grids/<name>/plan.json`); RunError where it is not there or damaged."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path}: no plan there; submit the grid first, or check --root")
    value = read_record(path)
    schema = value.get("schema")
    if schema != SCHEMA:
        raise RunError(f"{path}: schema {schema!r}, this version reads {SCHEMA}; submit the grid again")
    try:
        return _plan_from_json(value)
    except MALFORMED as error:
        raise RunError(f"{path}: not a plan ({type(error).__name__}: {error}); submit the grid again") from error


def _plan_from_json(value: Mapping[str, Any]) -> Plan:
    if not fits(value, {"absent": {str: [str]}, "left_out?": {str: [str]}}):
        raise TypeError("absent or left_out hold no lists of texts")
    runs = {planned.run.id: planned for planned in map(_run_from_json, value["runs"])}
    cells = tuple(made_of(Cell, cell) for cell in value["cells"])
    unknown = {cell.run for cell in cells} - runs.keys()
    if unknown:
        raise ValueError(f"cells of run {min(unknown)}, which it does not have")
    lists = {
        "excluded": tuple(
            made_of(Excluded, {**item, "cell": made_of(Cell, item["cell"])}) for item in value["excluded"]
        ),
        "absent": {target: tuple(languages) for target, languages in value["absent"].items()},
        "left_out": {task: tuple(rows) for task, rows in value.get("left_out", {}).items()},
    }
    texts = {name: value[name] for name in ("name", "question", "data", "digest")}
    return made_of(Plan, {"runs": runs, "cells": cells, **lists, **texts, "asked": value.get("asked", "")})


@dataclass(frozen=True)
class GridFolder:
    """The folder of one grid's plan and results; the only place that knows what its files are called."""

    path: Path

    @property
    def plan(self) -> Path:
        """Return the path of the plan."""
        return self.path / "plan.json"

    @property
    def replaced(self) -> Path:
        """Return the folder of the plans that later ones of the name took the place of."""
        return self.path / "replaced"

    @property
    def submissions(self) -> Path:
        """Return the folder with a folder per submission."""
        return self.path / "submissions"

    @property
    def scores_csv(self) -> Path:
        """Return the path of the scores as CSV."""
        return self.path / "scores.csv"

    @property
    def scores_parquet(self) -> Path:
        """Return the path of the scores as Parquet."""
        return self.path / "scores.parquet"

    @property
    def tables(self) -> Path:
        """Return the folder of the tables."""
        return self.path / "tables"

    @property
    def figures(self) -> Path:
        """Return the folder of the figures."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """Return the path of the report."""
        return self.path / "report.html"


def grid_folder(root: Path, name: str) -> GridFolder:
    """Return the folder of a grid under the root."""
    return GridFolder(root / "grids" / name)


def plan_files(root: Path) -> list[Path]:
    """Return the plans of all grids that were submitted under a root, the one written last at the end."""
    return sorted((root / "grids").glob("*/plan.json"), key=lambda path: path.stat().st_mtime)


def parents_first(runs: Iterable[PlannedRun]) -> dict[str, PlannedRun]:
    """Return runs by id, those without a parent first, each run once with the union of what is asked of it."""
    merged: dict[str, PlannedRun] = {}
    for planned in sorted(runs, key=lambda item: bool(item.run.parent)):
        merged[planned.run.id] = _merge(merged.get(planned.run.id), planned)
    return merged


def _merge(first: PlannedRun | None, second: PlannedRun) -> PlannedRun:
    if first is None:
        return second
    if first.request == second.request and first.stage == second.stage:
        return first
    return PlannedRun(
        first.run,
        min(first.stage, second.stage, key=list(Stage).index),
        first.request.union(second.request),
        first.train_examples,
        first.train_characters,
        {**first.predicted, **second.predicted},
    )


def cells_digest(cells: Iterable[Cell]) -> str:
    """Return the digest of a grid's cells and runs, printed under every table."""
    return digest_of([vars(cell) for cell in cells])


def by_stage(plan: Plan) -> Iterator[tuple[Stage, list[PlannedRun]]]:
    """Yield the runs of each stage that has any."""
    for stage in Stage:
        runs = [planned for planned in plan.runs.values() if planned.stage == stage]
        if runs:
            yield stage, runs
