"""Give the share of arrays that have ended to those that go on: a throttle over all arrays of a submission together."""

import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.arrays import Array, deal, paces_of
from xstilts_hpc.cluster.submission import Submission, SubmittedArray
from xstilts_hpc.errors import ClusterError, LockError, RunError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.lease import hold

logger = logging.getLogger(__name__)
# Reasons of squeue for an element that would not start, however many may run at once.
_WAITING = ("Dependency", "JobHeld", "JobHoldMaxRequeue")


@dataclass(frozen=True)
class Load:
    """The elements of one array in the queue: ready to start, waiting for others or held, and running."""

    ready: int = 0
    waiting: int = 0
    running: int = 0

    @property
    def pending(self) -> int:
        """Return how many elements have not started."""
        return self.ready + self.waiting


def rebalance(load: Mapping[str, Load], max_parallel: int, throttles: Mapping[str, int]) -> dict[str, int]:
    """Return the new throttles of arrays with pending elements, where they differ from `throttles`.

    What is free goes to arrays with elements that are ready, the rest to those whose elements wait. The sum over all
    arrays of the greater of throttle and running elements stays within `max_parallel`; every array keeps at least 1,
    since Slurm takes 0 for no bound. Jobs without a throttle (plain jobs) only count.
    """
    pending = [job for job, found in load.items() if found.pending]
    total = max_parallel - sum(load[job].running for job in load if job not in pending)
    shares = [max(1, load[job].running) for job in pending]
    for kinds in (("ready",), ("ready", "waiting")):
        more = [sum(getattr(load[job], kind) for kind in kinds) if job in throttles else 0 for job in pending]
        most = [load[job].running + number for job, number in zip(pending, more, strict=True)]
        shares = deal(total, shares, most, more)
    changed = zip(pending, shares, strict=True)
    return {job: share for job, share in changed if job in throttles and share != throttles[job]}


def rebalance_now(submission: Submission) -> None:
    """Ask Slurm what the arrays of a submission do, and set their throttles anew; a failure is only logged.

    An element calls this as its last act, and counts as gone. Where another element is at it, that one starts over.
    """
    if not submission.profile.get("max_parallel") or len(submission.arrays) < 2:
        return
    marks = submission.folder / "leaving"
    handled: set[str] = set()
    try:
        marks.mkdir(exist_ok=True)
        for element in _own_element():
            (marks / element).touch()
        while not handled or _names(marks) - handled:
            with hold(submission.folder / "PACE"):
                handled = {"", *_names(marks)}
                _rebalance(submission, marks)
    except LockError as held:
        logger.debug("throttles are left to another element: %s", held)
    except (ClusterError, RunError, OSError) as error:
        logger.warning("throttles stay as they are: %s", error)


def _own_element() -> list[str]:
    """Return Slurm's name of the element that this process belongs to, if it belongs to one."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    job = os.environ.get("SLURM_JOB_ID", "")
    return [f"{array}_{index}"] if array else [job] if job else []


def _names(marks: Path) -> set[str]:
    return {path.name for path in marks.iterdir()}


def _rebalance(submission: Submission, marks: Path) -> None:
    """Lower throttles first, and raise others only by what Slurm says is free after that."""
    max_parallel, record = submission.profile["max_parallel"], submission.folder / "pace.json"
    # Slurm tells the throttle of an array whose elements wait one by one (aftercorr) only in a page per element.
    throttles = {**_first_throttles(submission, max_parallel), **(read_json(record) if record.is_file() else {})}
    changes = rebalance(_load(submission, marks), max_parallel, throttles)
    lower = {job: share for job, share in changes.items() if share < throttles[job]}
    if lower:
        throttles = _apply(lower, throttles, record)
        changes = rebalance(_load(submission, marks), max_parallel, throttles)
    _apply(changes, throttles, record)


def _apply(changes: Mapping[str, int], throttles: Mapping[str, int], record: Path) -> dict[str, int]:
    now = dict(throttles)
    for job, share in changes.items():
        _set_throttle(job, share)
        now[job] = share
        write_json(record, now)
        logger.info("array %s: %d elements at once instead of %d", job, share, throttles[job])
    return now


def _set_throttle(job: str, share: int) -> None:
    """Set the throttle of an array; scontrol says and exits with 1 that elements that ended were not changed."""
    done = slurm.ask(["scontrol", "update", f"JobId={job}", f"ArrayTaskThrottle={share}"])
    said = done.stderr + done.stdout
    if done.returncode and "No error" not in said:
        raise ClusterError(f"scontrol failed for array {job}: {said.strip()}")


def _first_throttles(submission: Submission, max_parallel: int) -> dict[str, int]:
    """Return the throttles that the arrays were submitted with; a single element is a plain job and has none."""
    paces = paces_of([Array(array.stage, array.packs, array.depends_on) for array in submission.arrays], max_parallel)
    with_paces = zip(submission.arrays, paces, strict=True)
    return {array.job_id: pace.parallel for array, pace in with_paces if array.job_id and len(array.packs) > 1}


def _load(submission: Submission, marks: Path) -> dict[str, Load]:
    """Ask squeue once what every array does; an array that still follows another one has no share yet."""
    arrays = {array.job_id: array for array in submission.arrays if array.job_id}
    command = ["squeue", "-h", "-r", "-j", ",".join(arrays), "-o", "%F|%i|%T|%r"]
    done = slurm.ask(command)
    if done.returncode and "Invalid job id" not in done.stderr:
        raise ClusterError(f"squeue failed: {done.stderr.strip()}")
    rows = [line.split("|") for line in done.stdout.splitlines() if line.count("|") == 3]
    running = {element for _, element, word, _ in rows if word in slurm.RUNNING and word != "COMPLETING"}
    left = _names(marks)
    for name in left - running:
        (marks / name).unlink(missing_ok=True)
    load: dict[str, Load] = {}
    for job, element, word, reason in rows:
        counts = vars(load.get(job, Load()))
        kind = _kind(word, reason) if element not in left & running else ""
        load[job] = Load(**{name: number + (name == kind) for name, number in counts.items()})
    live = {job for job, found in load.items() if found != Load()}
    return {job: load[job] for job in live if job in arrays and not _follows(arrays[job], live)}


def _kind(word: str, reason: str) -> str:
    """Return which number of a Load an element counts in, empty for none."""
    if word in slurm.PENDING:
        return "waiting" if reason.startswith(_WAITING) else "ready"
    return "running" if word in slurm.RUNNING and word != "COMPLETING" else ""


def _follows(array: SubmittedArray, live: Collection[str]) -> bool:
    """Say whether an array starts only when another one, that goes on, has ended."""
    return any(term.removeprefix("afterany:") in live for term in array.dependency.split(","))
