"""A grid on this machine: does it expand, are its data and its model here, and what will it cost?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.cluster.doctor_check import Check, fine, problem, warning
from xstilts_hpc.cluster.doctor_root import Need
from xstilts_hpc.errors import XstiltsError
from xstilts_hpc.expand import expand
from xstilts_hpc.files import Memory
from xstilts_hpc.forecast import forecast
from xstilts_hpc.grid import Grid, load_grid
from xstilts_hpc.grid_values import NO_TASK
from xstilts_hpc.languages import ENGLISH, MADE_UP
from xstilts_hpc.model_files import model_source, require_model
from xstilts_hpc.plan import Plan
from xstilts_hpc.tasks import TASKS, task_of, tasks_with
from xstilts_hpc.tasks.base import Role, Split, Task
from xstilts_hpc.tasks.folder import DataFolder


@dataclass(frozen=True)
class Diagnosis:
    """What was found about a grid, and what it needs (None where it does not expand)."""

    checks: tuple[Check, ...]
    need: Need | None = None


def diagnose(path: Path, root: Path) -> Diagnosis:
    """Return what is to be said about a grid file on this root."""
    try:
        grid = load_grid(path)
    except XstiltsError as error:
        return Diagnosis((problem("grid", str(error), f"correct {path}"),))
    checks = [_told("data", lambda: check_data(grid, root)), _told("model", lambda: check_model(grid, root))]
    try:
        plan = expand(grid, root=root)
    except XstiltsError as error:
        known = any(check.found == str(error) for check in checks)
        return Diagnosis((*checks, *([] if known else [problem("plan", str(error), f"correct {path} or its data")])))
    check, need = check_plan(plan, root)
    return Diagnosis((*checks, check), need)


def check_data(grid: Grid, root: Path) -> Check:
    """Check that every task of a grid has the files that it is trained on and scored with."""
    folder = DataFolder(root / Path(grid.data).expanduser(), Memory(root / "cache" / "data.json"))
    missing = [(task.name, what) for task, what in _wanted(grid) if not _here(folder, task, what)]
    names = {task.name for task, _ in _wanted(grid)}
    if missing:
        said = "; ".join(f"{name} ({what})" for name, what in missing)
        fetch = f"xstilts data fetch {' '.join(dict.fromkeys(name for name, _ in missing))}"
        return problem("data", f"not under {folder.root}: {said}", f"{fetch}; xstilts data check says more")
    return fine("data", f"files of all {len(names)} tasks are under {folder.root}")


def check_model(grid: Grid, root: Path) -> Check:
    """Check that the model's files are here."""
    source = model_source(grid.model, root=root, memory=Memory(root / "cache" / "data.json"))
    require_model(source)
    return fine("model", f"{source.id or source.path} is here")


def check_plan(plan: Plan, root: Path) -> tuple[Check, Need]:
    """Say what is to be done, and return what that needs."""
    done = plan.done(root)
    cost = forecast(plan, root=root, todo=(planned for run_id, planned in plan.runs.items() if run_id not in done))
    said = f"{len(plan.runs):,} runs, {len(done):,} done, about {cost.gpu_hours:,.3g} GPU-hours to do"
    return fine("plan", said), Need(len(plan.runs) - len(done), cost)


def check_any_data(root: Path) -> Check:
    """Say of how many tasks data are under the root, where no grid says which are needed."""
    folder = root / "data"
    if not folder.is_dir():
        return warning("data", f"no folder {folder}", "put the data sets there, or name a grid with --grid")
    data = DataFolder(folder, Memory(root / "cache" / "data.json"))
    here = [
        task.name
        for task in TASKS.values()
        if any(data.has(task, s, c) for s in Split for c in (*task.languages, *MADE_UP))
    ]
    return fine("data", f"files of {len(here)} of {len(TASKS)} tasks are under {folder}; --grid says which are needed")


def _told(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except XstiltsError as error:
        return problem(name, str(error), "put it there, then run the doctor again")


def _wanted(grid: Grid) -> list[tuple[Task, str]]:
    """Return the tasks of a grid with what is needed of each: training or evaluation files."""
    trained = {name for entry in grid.intermediate for name in (*(entry.task or ()), *(entry.mixture or ()))} - {
        NO_TASK
    }
    names = grid.target.task
    targets = tasks_with(Role.TARGET) if "all" in names else tuple(task_of(name) for name in names)
    trained |= {task.training_set for task in targets if task.trains}
    wanted = [(task_of(name), "training") for name in sorted(trained)]
    return [*wanted, *((task, "evaluation") for task in targets)]


def _here(folder: DataFolder, task: Task, what: str) -> bool:
    if what == "training":
        return folder.has(task, Split.TRAIN, ENGLISH)
    return any(
        folder.has(task, split, code) for split in (Split.TEST, Split.DEV) for code in (*task.languages, *MADE_UP)
    )
