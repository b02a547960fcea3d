"""Small plans of the real classes, and runs that take no time: what the tests of cluster/ hand around."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import xstilts_hpc
from xstilts_hpc.cluster.devcluster_processes import until
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.submission import now
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import append_json_line, read_json, write_json
from xstilts_hpc.lease import hold
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan, PlannedRun, Stage, grid_folder, load_plan
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Request, Run
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.training import training_on

FOLDER = Path(__file__).parent
PACKAGE = str(Path(xstilts_hpc.__file__).parent)
ENTRY = "trivial_runs:execute"
COLLECT = "trivial_runs:collect"
FAMILY = {"a": ["a1"], "b": ["b1", "b2", "b3"], "c": ["c1", "c2"]}
MODEL = ModelSource(path="model", digest="0")


def training_run(task: str, seed: int = 0, parent: Run | None = None) -> Run:
    return Run(
        MODEL, training_on(task, "0", train_seed=seed), Recipe(), *((parent.id, parent.name) if parent else ("", ""))
    )


def make_plan(children: Mapping[str, Sequence[str]], baselines: Sequence[str] = (), name: str = "small") -> Plan:
    """Return a plan: parents by task name with their children's task names, and runs without a parent."""
    runs: list[PlannedRun] = []
    for parent_task, tasks in children.items():
        parent = training_run(parent_task)
        runs.append(PlannedRun(parent, Stage.INTERMEDIATE, Request((), "data", keep_encoder=True)))
        runs.extend(PlannedRun(training_run(task, 0, parent), Stage.TARGET, Request((), "data")) for task in tasks)
    runs.extend(PlannedRun(training_run(task), Stage.TARGET, Request((), "data")) for task in baselines)
    runs.sort(key=lambda planned: bool(planned.run.parent))
    return Plan(name, "?", "data", {planned.run.id: planned for planned in runs}, (), (), {}, "0")


def run_of(plan: Plan, task: str) -> str:
    return next(i for i, p in plan.runs.items() if p.run.training and p.run.training.task == task)


def make_profile(**keys: object) -> Profile:
    slurm = {"kind": "slurm", "partition": "gpu", "time_min": 5, "gpu_request": "none", "memory_gb": 0.1}
    return Profile.model_validate({"schema": 1, "name": "test", **slurm, **keys})


def execute(root: Path, run_id: str, machine: Machine) -> None:
    """Do a run: fail or wait where a file of the root says so, else commit at once; write down when and where.

    A run in `hold` waits for the file `go` of the root, one in `after` for the end of others, and those in `meet` for
    each other: what is to go on at the same time does so on a slow machine too.
    """
    folder = run_folder(root, run_id)
    orders = read_json(root / "orders.json") if (root / "orders.json").is_file() else {}
    start = time.time()
    task = folder.run().training.task  # type: ignore[union-attr]
    _blocked_without_parent(root, folder.run())
    if task in orders.get("lease", []):
        with hold(folder.lease):
            pass
    time.sleep(orders.get("sleep", {}).get(task, 0))
    _wait(root, task, orders)
    ranks = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")}
    seen = {
        "run": run_id,
        "task": task,
        "start": start,
        "end": time.time(),
        "threads": machine.threads,
        **ranks,
        "package": PACKAGE,
    }
    append_json_line(root / "done.jsonl", {**seen, "environment": dict(os.environ), "package": PACKAGE})
    print("a line of output")  # noqa: T201
    if task in orders.get("vanish", []):
        raise RunError(f"{task} leaves without a record, as ordered")
    if task in orders.get("fail", []):
        job = {name: os.environ[name] for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT") if name in os.environ}
        record = {"start": now(), "end": now(), "cause": "failed", "error": "as ordered", "job": job}
        number = folder.next_attempt()
        write_json(folder.provenance(number), {**record, "attempt": number})
        raise RunError(f"{task} fails\nas ordered")
    if ranks["RANK"] in ("", "0"):
        folder.commit({}, [], folder.request())


def done_tasks(root: Path) -> list[dict[str, Any]]:
    """Return what the runs of a root wrote down, in the order of their ends."""
    path = root / "done.jsonl"
    whole_lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in whole_lines]


def _wait(root: Path, task: str, orders: Mapping[str, Any]) -> None:
    if task in orders.get("hold", []):
        assert until((root / "go").is_file, limit_s=200), "no file `go`"
    ended = set(orders.get("after", {}).get(task, []))
    assert until(lambda: ended <= {done["task"] for done in done_tasks(root)}, limit_s=200), f"no end of {ended}"
    if task in orders.get("meet", []):
        (root / f"met_{task}").touch()
        assert until(lambda: all((root / f"met_{other}").is_file() for other in orders["meet"]), limit_s=200), "alone"


def _blocked_without_parent(root: Path, run: Run) -> None:
    if run.parent and not run_folder(root, run.parent).done(Request((), "data", keep_encoder=True)):
        raise RunError(f"parent {run.parent} is not done")


def collect(
    name: str, root: Path, *, allow_partial: bool, console: Console, states: Callable[[Plan, Path], Mapping[str, str]]
) -> None:
    """Write down what was done when the collector ran, and where runs stood."""
    done = [path.parent.name for path in root.glob("runs/*/DONE.json")]
    told = states(load_plan(grid_folder(root, name).plan), root)
    found = {"name": name, "allow_partial": allow_partial, "done": sorted(done), "states": told}
    write_json(root / "collected.json", found)
