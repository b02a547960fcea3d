"""The record of a submission: which run is which element of which job; and the lock that submitters hold."""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts_hpc.clock import utc
from xstilts_hpc.cluster.arrays import element_id
from xstilts_hpc.errors import LockError, RunError
from xstilts_hpc.files import MALFORMED, made_of, read_record, write_json
from xstilts_hpc.lease import hold
from xstilts_hpc.machine import Machine
from xstilts_hpc.ownership import require_trusted
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder

SCHEMA = 2
_NUM_WRITERS = 16
_PATIENCE_S = 60
EXECUTE = "xstilts_hpc.train.execute:execute"
COLLECTOR = "collect"
COLLECT = "xstilts_hpc.results.report:collect_and_write"


@dataclass(frozen=True)
class SubmittedArray:
    """An array as submitted; without a job id it was only intended.

    `packs` are its elements, each the runs that it executes one after another. `name` is its job name, which no other
    job has: where sbatch gave no answer, Slurm is asked for it. `time_min` is its time limit.
    """

    stage: str
    packs: tuple[tuple[str, ...], ...]
    depends_on: int
    dependency: str = ""
    job_id: str = ""
    name: str = ""
    time_min: int = 0

    @property
    def runs(self) -> tuple[str, ...]:
        """Return the runs of all elements."""
        return tuple(run_id for pack in self.packs for run_id in pack)

    def element(self, index: int) -> str:
        """Return Slurm's name of an element."""
        return element_id(self.job_id, index, many=len(self.packs) > 1)

    def elements(self) -> dict[str, str]:
        """Return what leads from a run to its element; empty before the array has a job id."""
        return {run: self.element(i) for i, pack in enumerate(self.packs) for run in pack} if self.job_id else {}


@dataclass(frozen=True)
class Submission:
    """One submission: its folder (a path with nothing there where nothing was submitted), arrays and the rest.

    `queued` runs were left to earlier submissions that still hold them; `waiting` runs need a parent that is not
    on its way, or are left to a later wave. `code` is the folder of the code that its elements run. The collector's
    job id is empty before it is submitted.
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
    code: str = ""
    later: bool = False
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

    @property
    def token(self) -> str:
        """Return what tells this submission from all others."""
        return self.folder.name

    @property
    def collector_name(self) -> str:
        """Return the job name of the collector, which no other job has."""
        return f"xs-{self.grid}-collect-{self.token}"

    def unanswered(self) -> list[int]:
        """Return the numbers of the arrays that were intended and have no job id."""
        return [number for number, array in enumerate(self.arrays) if not array.job_id]

    def log(self, run_id: str, rank: int = 0) -> Path:
        """Return where a process of a run's element writes standard output and error."""
        return self.log_of(self.elements[run_id], rank)

    def log_of(self, element: str, rank: int = 0) -> Path:
        """Return where an element's process writes standard output and error."""
        return self.folder / f"{element}_{rank}_log.out"

    def with_job(self, number: int, job_id: str, dependency: str) -> "Submission":
        """Return the submission with one array's job id and dependency."""
        arrays = list(self.arrays)
        arrays[number] = replace(arrays[number], job_id=job_id, dependency=dependency)
        return replace(self, arrays=tuple(arrays))

    def write(self) -> None:
        """Write the record."""
        arrays = [{**vars(array), "packs": [list(pack) for pack in array.packs]} for array in self.arrays]
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
            "code": self.code,
            "later": self.later,
            "created": self.created,
        }
        write_json(self.json, record)


def read_submission(path: Path) -> Submission:
    """Read a submission.json; RunError where it is damaged or of another schema."""
    value = read_record(path)
    if value.get("schema") != SCHEMA:
        raise RunError(f"{path}: schema {value.get('schema')!r}, this version reads {SCHEMA}; submit the grid again")
    try:
        return _submission_from_json(path.parent, value)
    except MALFORMED as error:
        raise RunError(
            f"{path}: not a submission ({type(error).__name__}: {error}); move the file away and submit the grid again"
        ) from error


def _submission_from_json(folder: Path, value: Mapping[str, Any]) -> Submission:
    parts = {
        "folder": folder,
        "root": Path(value["root"]),
        "profile": dict(value["profile"]),
        "machine": made_of(Machine, value["machine"]),
        "arrays": tuple(_array_from_json(array) for array in value["arrays"]),
    }
    names = ("grid", "created", "entry", "collect", "collector", "code", "later")
    return made_of(Submission, {**parts, **{name: value[name] for name in names}})


def _array_from_json(value: Mapping[str, Any]) -> SubmittedArray:
    array = made_of(SubmittedArray, {**value, "packs": tuple(tuple(pack) for pack in value["packs"])})
    strange = [run_id for run_id in array.runs if not isinstance(run_id, str)]
    if strange:
        raise TypeError(f"a run is {strange[0]!r}, expected its id")
    return array


def trusted_submission(path: Path) -> Submission:
    """Read a submission.json that nobody else could have written, since what it names is executed."""
    require_trusted(path, path.parent)
    record = read_submission(path)
    require_trusted(path, record.root)
    return record


def submissions(root: Path) -> list[Submission]:
    """Return all submissions under a root, of every grid (grids share runs), oldest first."""
    found = [read_submission(path) for path in (root / "grids").glob("*/submissions/*/submission.json")]
    return sorted(found, key=lambda submission: submission.created)


def prepare_all(plan: Plan, root: Path, run_ids: Iterable[str]) -> None:
    """Prepare run folders, several at once: nearly all of the time is waiting for the disk (fsync)."""
    runs = [plan.runs[run_id] for run_id in run_ids]
    with ThreadPoolExecutor(_NUM_WRITERS) as pool:
        list(pool.map(lambda item: run_folder(root, item.run.id).prepare(item.run, item.request), runs))


def now() -> str:
    """Return the time as text that sorts."""
    return utc().replace("Z", f".{time.time_ns() // 1000 % 10**6:06d}Z")


@contextmanager
def handing_over(root: Path) -> Iterator[None]:
    """Be the only one under a root who finds out what is queued and adds to it: grids share runs.

    Others are waited for, since that takes seconds; LockError where one takes longer than a minute.
    """
    with ExitStack() as stack:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                stack.enter_context(hold(root / "grids" / "SUBMITTING"))
                break
            except LockError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
        yield


@contextmanager
def lock(root: Path, grid: str) -> Iterator[None]:
    """Hold the lease of a grid's submitters; LockError where another process holds it."""
    with hold(grid_folder(root, grid).submissions / "LOCK"):
        yield
