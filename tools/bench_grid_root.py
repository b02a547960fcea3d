"""The root of a grid of finished runs, made up: what bench_collect_grid.py collects."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, islice, product
from pathlib import Path

import h5py
import numpy as np
from bench_logits import make

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.logits import FORMAT, LABELS, Header, write_header, write_logits
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan, PlannedRun, Stage, cells_digest, grid_folder
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Prediction, Request, Run
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.tasks import STUDY_TASKS, task_of
from xstilts_hpc.training import training_on

NAME = "bench"
SIZES = (100, 316, 1000, 3162, 10_000, 31_623, 100_000)
SCHEDULES = ("equal_epochs", "equal_steps")
TARGET_SEEDS = 3
# Different logits of one task and size; the share of right labels rises with the size, and varies from file to file.
FILES_ALIKE = 4
RIGHT, RISE, VARIATION = 0.70, 0.02, 0.01


@dataclass(frozen=True)
class Shape:
    """How large the grid is."""

    runs: int
    languages: int
    examples: int
    tasks: tuple[str, ...]


def write_plan(root: Path, shape: Shape) -> Plan:
    """Write the plan of the grid."""
    model = ModelSource(path="model", digest="0")
    planned: dict[str, PlannedRun] = {}
    cells = []
    for number, cell in enumerate(islice(_cells(shape), shape.runs)):
        parent = f"{cell.intermediate}_{cell.size}" if cell.size else ""
        run = Run(model, training_on(cell.target, "0", train_seed=number), Recipe(), parent, parent)
        data = {code: f"{cell.target}-{code}" for code in task_of(cell.target).languages[: shape.languages]}
        planned[run.id] = PlannedRun(run, Stage.TARGET, Request((Prediction(cell.target, "test", data),), "data"))
        cells.append(replace(cell, run=run.id))
    plan = Plan(NAME, "How fast is collect?", "data", planned, tuple(cells), (), {}, cells_digest(cells))
    plan.save(grid_folder(root, NAME).plan)
    return plan


def _cells(shape: Shape) -> Iterator[Cell]:
    """Yield cells without their run: the baseline, then entry by entry."""
    every = list(product(STUDY_TASKS, SIZES, SCHEDULES))
    entries = every[: max(len(SIZES) * len(SCHEDULES), shape.runs // (9 * len(shape.tasks)))]
    data_seeds = -(-shape.runs // (len(entries) * len(shape.tasks) * TARGET_SEEDS))
    for target, seed in product(shape.tasks, range(TARGET_SEEDS)):
        yield Cell("none", 0, False, "", "", UNUSED_SEED, UNUSED_SEED, seed, target, "")
    for (task, size, schedule), target in product(entries, shape.tasks):
        for data_seed, seed in product(range(data_seeds), range(TARGET_SEEDS)):
            yield Cell(task, size, size == SIZES[-1], "", schedule, data_seed, 0, seed, target, "")


def write_runs(root: Path, plan: Plan, shape: Shape, runs: list[str], *, number: int = 0) -> None:
    """Write the logits and the commit records of some runs, without waiting for the disk at each."""
    alike = cycle(range(FILES_ALIKE))
    size_of = {cell.run: cell.size for cell in plan.cells}
    for run in runs:
        folder, request = run_folder(root, run), plan.runs[run].request
        (prediction,) = request.predictions
        form, header = template(prediction.task, shape, size_of[run], number + next(alike))
        path = folder.logits(prediction.task)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(form)
        with h5py.File(path, "r+", libver=FORMAT, locking=False) as file:
            del file[LABELS]
            write_header(file, replace(header, run=run))
        _commit(folder, run, request)


def _commit(folder: RunFolder, run: str, request: Request) -> None:
    path = folder.logits(request.predictions[0].task)
    name, data = path.relative_to(folder.path).as_posix(), path.read_bytes()
    files = [{"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}]
    record = {"schema": 2, "run": run, "files": files, "scores": {}, **request.to_json()}
    folder.done_json.write_text(json.dumps(record), encoding="utf-8")


@cache
def template(name: str, shape: Shape, size: int, alike: int) -> tuple[bytes, Header]:
    """Return a logits file and its header, of which only the run's id differs from file to file."""
    task = task_of(name)
    random = np.random.default_rng([size, alike])
    right = RIGHT + RISE * (SIZES.index(size) + 1 if size else 0) + VARIATION * (alike - FILES_ALIKE / 2)
    codes = task.languages[: shape.languages]
    logits = {code: (make(task, code, shape.examples, random, right), f"{name}-{code}") for code in codes}
    header = Header("?", name, str(task.kind), "test", "made up", "bench", "today", task.labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "logits.h5")
        write_logits(path, header, logits)
        return path.read_bytes(), header


def predictions(plan: Plan) -> Iterator[tuple[str, Prediction]]:
    """Yield each run with what is asked of it."""
    for run, planned in plan.runs.items():
        for prediction in planned.request.predictions:
            yield run, prediction
