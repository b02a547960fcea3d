"""The record of a submission: which run is which element of which job; and the lock that submitters hold."""

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster.arrays import element_id
from xstilts_hpc.errors import LockError, RunError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run import run_folder

SCHEMA = 1
_NUM_WRITERS = 16
EXECUTE = "xstilts_hpc.train.execute:execute"
COLLECT = "xstilts_hpc.results.report:collect_and_write"


@dataclass(frozen=True)
class SubmittedArray:
    """An array as submitted; without a job id it was only intended."""

    stage: str
    runs: tuple[str, ...]
    depends_on: int
    dependency: str = ""
    job_id: str = ""

    def element(self, index: int) -> str:
        """Return Slurm's name of an element."""
        return element_id(self.job_id, index, many=len(self.runs) > 1)

    def elements(self) -> dict[str, str]:
        """Return what leads from a run to its element; empty before the array has a job id."""
        return {run_id: self.element(i) for i, run_id in enumerate(self.runs)} if self.job_id else {}


@dataclass(frozen=True)
class Submission:
    """One submission: its folder (a path with nothing there where nothing was submitted), arrays and the rest.

    `queued` runs were left to earlier submissions that still hold them; `waiting` runs need a parent that is not
    on its way. The collector's job id is empty before it is submitted.
    """

    folder: Path
    grid: str
    root: Path
    profile: Mapping[str, Any]
    machine: Machine
    arrays: tuple[SubmittedArray, ...]
    created: str
    entry: str = EXECUTE
    collect: str = COLLECT
    collector: str = ""
    done: tuple[str, ...] = ()
    queued: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    job_ids: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Gather the main ids of all jobs."""
        ids = [*(array.job_id for array in self.arrays), self.collector]
        object.__setattr__(self, "job_ids", tuple(job_id for job_id in ids if job_id))

    @property
    def json(self) -> Path:
        """Return the path of the record."""
        return self.folder / "submission.json"

    @property
    def runs(self) -> tuple[str, ...]:
        """Return the runs of all arrays."""
        return tuple(run_id for array in self.arrays for run_id in array.runs)

    @property
    def elements(self) -> dict[str, str]:
        """Return what leads from a run to its element, over all arrays that have a job id."""
        return {run_id: element for array in self.arrays for run_id, element in array.elements().items()}

    def log(self, run_id: str, rank: int = 0) -> Path:
        """Return where an element's process writes standard output and error."""
        return self.folder / f"{self.elements[run_id]}_{rank}_log.out"

    def with_job(self, number: int, job_id: str, dependency: str) -> "Submission":
        """Return the submission with one array's job id and dependency."""
        arrays = list(self.arrays)
        arrays[number] = replace(arrays[number], job_id=job_id, dependency=dependency)
        return replace(self, arrays=tuple(arrays))

    def write(self) -> None:
        """Write the record."""
        arrays = [{**vars(array), "runs": list(array.runs)} for array in self.arrays]
        record = {
            "schema": SCHEMA,
            "grid": self.grid,
            "root": str(self.root),
            "profile": self.profile,
            "machine": vars(self.machine),
            "entry": self.entry,
            "collect": self.collect,
            "arrays": arrays,
            "collector": self.collector,
            "created": self.created,
        }
        write_json(self.json, record)


def read_submission(path: Path) -> Submission:
    """Read a submission.json; RunError where it is damaged or of another schema."""
    value = read_json(path)
    if value.get("schema") != SCHEMA:
        raise RunError(f"{path}: schema {value.get('schema')!r}, this version reads {SCHEMA}; submit the grid again")
    return Submission(
        folder=path.parent,
        grid=value["grid"],
        root=Path(value["root"]),
        profile=value["profile"],
        machine=Machine(**value["machine"]),
        arrays=tuple(SubmittedArray(**{**array, "runs": tuple(array["runs"])}) for array in value["arrays"]),
        created=value["created"],
        entry=value["entry"],
        collect=value["collect"],
        collector=value["collector"],
    )


def submissions(root: Path) -> list[Submission]:
    """Return all submissions under a root, of every grid (grids share runs), oldest first."""
    found = [read_submission(path) for path in (root / "grids").glob("*/submissions/*/submission.json")]
    return sorted(found, key=lambda submission: submission.created)


def latest_elements(root: Path) -> dict[str, str]:
    """Return what leads from a run to its latest element, whichever grid submitted it."""
    elements: dict[str, str] = {}
    for submission in submissions(root):
        elements |= submission.elements
    return elements


def prepare_all(plan: Plan, root: Path, run_ids: Iterable[str]) -> None:
    """Prepare run folders, several at once: nearly all of the time is waiting for the disk (fsync)."""
    runs = [plan.runs[run_id] for run_id in run_ids]
    with ThreadPoolExecutor(_NUM_WRITERS) as pool:
        list(pool.map(lambda item: run_folder(root, item.run.id).prepare(item.run, item.request), runs))


def now() -> str:
    """Return the time as text that sorts."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).replace("Z", f".{time.time_ns() // 1000 % 10**6:06d}Z")


@contextmanager
def lock(root: Path, grid: str) -> Iterator[None]:
    """Hold the lock of a grid's submitters; LockError where another process holds it."""
    path = grid_folder(root, grid).submissions / "LOCK"
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "time": now()}
    if not _create(path, mine):
        _clear_if_dead(path)
        if not _create(path, mine):
            raise _held(path)
    try:
        yield
    finally:
        if _holder(path) == mine:
            path.unlink()


def _create(path: Path, holder: Mapping[str, Any]) -> bool:
    """Create the lock complete with its text: a link appears whole, and fails where the name is taken, as O_EXCL."""
    draft = path.with_name(f"{path.name}.{holder['host']}.{holder['pid']}")
    draft.write_text(json.dumps(holder), encoding="utf-8")
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _holder(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _clear_if_dead(path: Path) -> None:
    """Remove the lock of a process of this host that is no more; put it back if it was renewed meanwhile."""
    holder = _holder(path)
    if not holder or holder["host"] != socket.gethostname() or is_alive(holder["pid"]):
        return
    taken = path.with_name(f"{path.name}.stale.{os.getpid()}")
    try:
        path.rename(taken)
    except FileNotFoundError:
        return
    if _holder(taken) != holder and not path.exists():
        taken.rename(path)
    else:
        taken.unlink()


def is_alive(pid: int) -> bool:
    """Say whether a process of this host exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _held(path: Path) -> LockError:
    holder = _holder(path)
    who = f"process {holder['pid']} on {holder['host']} since {holder['time']}" if holder else "another process"
    return LockError(f"{path} is held by {who}; wait for it, or if it is gone, remove the lock: rm {path}")
