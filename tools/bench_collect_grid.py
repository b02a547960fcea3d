"""Measure `xstilts collect` on the logits of a whole grid of finished runs, on all cores; used by bench_collect.py.

The grid: nine intermediate tasks at seven sizes under two schedules and the baseline, in turn on the target tasks of
--tasks, each entry with as many sets of seeds (three target seeds) as --runs asks for. A run leaves one logits file
with up to --languages languages of --examples examples each (see bench_logits.py). Files of one task and size share
their logits with a few others; each has its own run id and commit record, so none is read or scored for another.

Collected three times, in processes of their own: everything new, nothing new, every hundredth run new. Memory is the
proportional set size (shared pages counted once) of all processes together, looked at four times a second; `cpu` is
user and system time over wall time and cores. `each_file` is what a file costs within one process, by part.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import numpy as np
from bench_logits import make

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.logits import Header, write_logits
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan, PlannedRun, Stage, cells_digest, grid_folder, load_plan
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
SAMPLE = 40
LOOKS_PER_S = 4
# What a file costs, and what is done with all scores: functions of results/rows.py and results/report.py by name.
PARTS_OF_FILE = {
    "sha256_of": "check the SHA-256",
    "scored": "score",
    "draws_of": "resample",
    "_flags": "look for flags",
}
PARTS_OF_COLLECT = ("load_plan", "gather", "write_scores", "tables", "write_tables", "write_figures", "write_report")


@dataclass(frozen=True)
class Shape:
    """How large the grid is."""

    runs: int
    languages: int
    examples: int
    tasks: tuple[str, ...]


def measure(shape: Shape, folder: Path) -> dict[str, Any]:
    """Make the root, collect it three times, and say what that took."""
    started = time.perf_counter()
    plan = write_plan(folder, shape)
    write_runs(folder, plan, shape, list(plan.runs))
    made_s = round(time.perf_counter() - started, 1)
    found = {"made_s": made_s, "logits_gb": round(_logits_bytes(folder, plan) / 1e9, 2)}
    languages = sum(
        len(prediction.data) for planned in plan.runs.values() for prediction in planned.request.predictions
    )
    first = collect_once(folder, len(plan.runs), languages)
    again = collect_once(folder, 0, 0)
    new = list(plan.runs)[::100]
    write_runs(folder, plan, shape, new, number=1)
    part = collect_once(folder, len(new), 0)
    sample = json.loads(_step("sample", folder)[0])
    return {**vars(shape), **found, "new": first, "nothing_new": again, "hundredth_new": part, "each_file": sample}


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
        form = template(prediction.task, shape, size_of[run], number + next(alike), len(run))
        data = form[0] + run.encode() + form[1]
        path = folder.logits(prediction.task)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        _commit(folder, run, request, data)


def _commit(folder: RunFolder, run: str, request: Request, data: bytes) -> None:
    name = folder.logits(request.predictions[0].task).relative_to(folder.path).as_posix()
    files = [{"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}]
    record = {"schema": 2, "run": run, "files": files, "scores": {}, **request.to_json()}
    folder.done_json.write_text(json.dumps(record), encoding="utf-8")


@cache
def template(name: str, shape: Shape, size: int, alike: int, id_length: int) -> tuple[bytes, bytes]:
    """Return what stands before and after the run's id in a logits file.

    The id is a text in HDF5's global heap, which has no checksum; the rest of the file does not depend on it.
    """
    task, id_ = task_of(name), "?" * id_length
    random = np.random.default_rng([size, alike])
    right = RIGHT + RISE * (SIZES.index(size) + 1 if size else 0) + VARIATION * (alike - FILES_ALIKE / 2)
    codes = task.languages[: shape.languages]
    logits = {code: (make(task, code, shape.examples, random, right), f"{name}-{code}") for code in codes}
    header = Header(id_, name, str(task.kind), "test", "made up", "bench", "today", task.labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "logits.h5")
        write_logits(path, header, logits)
        before, after = path.read_bytes().split(id_.encode())
    return before, after


def _logits_bytes(root: Path, plan: Plan) -> int:
    return sum(run_folder(root, run).logits(one.task).stat().st_size for run, one in predictions(plan))


def predictions(plan: Plan) -> Iterator[tuple[str, Prediction]]:
    """Yield each run with what is asked of it."""
    for run, planned in plan.runs.items():
        for prediction in planned.request.predictions:
            yield run, prediction


def collect_once(root: Path, files: int, languages: int) -> dict[str, Any]:
    """Run one collect in a process of its own and return its times, its memory and its use of the cores."""
    started = time.perf_counter()
    text, used_s, memory = _step("collect", root)
    wall_s, found = time.perf_counter() - started, json.loads(text)
    gather_s = found["seconds"]["gather"]
    rates = {"files_per_s": round(files / gather_s, 1)} if files else {}
    rates |= {"cells_per_s": round(languages / gather_s)} if languages else {}
    cores = len(os.sched_getaffinity(0))
    return {"wall_s": round(wall_s, 1), **rates, "cpu": round(used_s / wall_s / cores, 2), **memory, **found}


def _step(step: str, root: Path) -> tuple[str, float, dict[str, float]]:
    """Run a step in a new process; return what it printed, processor seconds, and the most memory in GB."""
    most, most_alone = 0, 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([sys.executable, __file__, step, str(root)], stdout=out)
        before = os.times()
        while process.poll() is None:
            sizes = [_memory(pid) for pid in _family(process.pid)]
            most, most_alone = max(most, sum(sizes)), max(most_alone, sizes[0] if sizes else 0)
            time.sleep(1 / LOOKS_PER_S)
        after = os.times()
        if process.returncode:
            sys.exit(f"the step {step} failed")
        out.seek(0)
        text = out.read()
    used = sum(after[2:4]) - sum(before[2:4])
    return text, used, {"memory_gb": round(most / 1e9, 2), "memory_of_parent_gb": round(most_alone / 1e9, 2)}


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, children.read_text("ascii").split())
    return found


def _memory(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def timed(module: Any, names: Any, clock: Callable[[], float] = time.perf_counter) -> Iterator[dict[str, float]]:
    """Add up the seconds spent in functions of a module while the context lasts."""
    seconds = dict.fromkeys(names, 0.0)

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any, **options: Any) -> Any:
            started = clock()
            try:
                return function(*arguments, **options)
            finally:
                seconds[name] += clock() - started

        return watch

    before = {name: getattr(module, name) for name in names}
    for name, function in before.items():
        setattr(module, name, watched(name, function))
    yield seconds
    for name, function in before.items():
        setattr(module, name, function)


def collect_here(root: Path) -> dict[str, Any]:
    """Collect on all cores; return the seconds of each part."""
    from rich.console import Console

    from xstilts_hpc.results import report

    started = time.perf_counter()
    with timed(report, PARTS_OF_COLLECT) as seconds, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        scores = report.collect_and_write(NAME, root, console=Console(file=nowhere), processes=0)
    seconds["other"] = time.perf_counter() - started - sum(seconds.values())
    return {"rows": len(scores.frame), "seconds": {name: round(value, 2) for name, value in seconds.items()}}


def sample_here(root: Path) -> dict[str, Any]:
    """Score some files in this process without what was kept; return processor milliseconds a file by part."""
    from xstilts_hpc.logits_file import LogitsFile
    from xstilts_hpc.results import rows
    from xstilts_hpc.results.kept import Kept

    clock = time.thread_time
    plan = load_plan(grid_folder(root, NAME).plan)
    with tempfile.TemporaryDirectory(dir=root) as nowhere:
        jobs = [
            rows.LogitsJob(run, run_folder(root, run), prediction, Kept(Path(nowhere, f"{run}.npz")))
            for run, prediction in islice(predictions(plan), None, None, max(1, len(plan.runs) // SAMPLE))
        ]
        for job in jobs[:3]:
            rows.score_file(job)
        started = clock()
        with (
            timed(rows, PARTS_OF_FILE, clock) as seconds,
            timed(Kept, ["save"], clock) as saved,
            timed(LogitsFile, ["read"], clock) as read,
        ):
            for job in jobs[3:]:
                rows.score_file(job)
        whole = clock() - started
    parts = {words: seconds[name] for name, words in PARTS_OF_FILE.items()} | {
        "keep": saved["save"],
        "read": read["read"],
    }
    parts["other"] = whole - sum(parts.values())
    return {name: round(1000 * value / len(jobs[3:]), 2) for name, value in parts.items()}


def main(shape: Shape) -> dict[str, Any]:
    """Measure in a folder that is removed."""
    folder = Path(tempfile.mkdtemp(prefix="xs-bench-"))
    try:
        return {"bench": "collect_grid", "cores": len(os.sched_getaffinity(0)), **measure(shape, folder)}
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    steps = {"collect": collect_here, "sample": sample_here}
    print(json.dumps(steps[sys.argv[1]](Path(sys.argv[2]))))
