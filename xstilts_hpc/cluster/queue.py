"""Which element holds a run, and what Slurm says of it: one call of squeue, and sacct for what that has forgotten."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.arrays import element_id
from xstilts_hpc.cluster.submission import Submission, submissions
from xstilts_hpc.errors import ClusterError

logger = logging.getLogger(__name__)

_SQUEUE_LIMIT_S = 10.0
_SACCT_LIMIT_S = 5.0
_FORMAT = "%i|%T|%N|%M|%L|%S|%r|%j"
_NOTHING = ("N/A", "None", "(null)", "")


@dataclass(frozen=True)
class Element:
    """Slurm's words for an element: state, node, time run and left, expected start, reason; empty: it says nothing."""

    word: str = ""
    node: str = ""
    ran: str = ""
    left: str = ""
    start: str = ""
    reason: str = ""

    @property
    def is_pending(self) -> bool:
        """Say whether it will run, or run again."""
        return self.word in slurm.PENDING

    @property
    def is_running(self) -> bool:
        """Say whether it runs."""
        return self.word in slurm.RUNNING


@dataclass(frozen=True)
class Slot:
    """A run's latest place in a submission: the element (empty: sbatch has not answered) and the runs it executes."""

    submission: Submission = field(compare=False)
    pack: tuple[str, ...]
    element: str
    name: str = ""
    index: int = 0

    def holds(self, attempt: Mapping[str, Any]) -> bool:
        """Say whether an attempt was made by this element."""
        job = attempt.get("job") or {}
        array = f"{job.get('SLURM_ARRAY_JOB_ID')}_{job.get('SLURM_ARRAY_TASK_ID')}"
        return bool(self.element) and self.element in (array, job.get("SLURM_JOB_ID"))


@dataclass(frozen=True)
class Queue:
    """The slots of runs, what Slurm says of their elements, and why it gave no answer if it gave none."""

    slots: Mapping[str, Slot] = field(default_factory=dict)
    listed: Mapping[str, Element] = field(default_factory=dict)
    problem: str = ""

    def of(self, run_id: str) -> Element:
        """Return what Slurm says of the element of a run."""
        slot = self.slots.get(run_id)
        return self.listed.get(slot.element, Element()) if slot else Element()


def ask_queue(root: Path, run_ids: Collection[str]) -> Queue:
    """Ask Slurm once about the latest elements of runs; where it does not answer, the queue says why."""
    slots = {run_id: found[-1] for run_id, found in slots_of(root, run_ids).items()}
    try:
        answered, listed = ask_slots(set(slots.values()))
    except ClusterError as error:
        return Queue(slots, problem=str(error))
    return Queue({run_id: answered[slot] for run_id, slot in slots.items()}, listed)


def slots_of(root: Path, run_ids: Collection[str]) -> dict[str, list[Slot]]:
    """Return the places of runs in the submissions of all grids, oldest first; a run without any is left out."""
    found: dict[str, list[Slot]] = {}
    for slot in (slot for submission in submissions(root) for slot in slots_in(submission)):
        for run_id in (run_id for run_id in slot.pack if run_id in run_ids):
            found.setdefault(run_id, []).append(slot)
    return found


def slots_in(submission: Submission) -> Iterator[Slot]:
    """Yield the elements of a submission."""
    for array in submission.arrays:
        for index, pack in enumerate(array.packs):
            element = array.element(index) if array.job_id else ""
            yield Slot(submission, pack, element, array.name, index)


def ask_slots(slots: Collection[Slot], job_ids: Iterable[str] = ()) -> tuple[dict[Slot, Slot], dict[str, Element]]:
    """Ask squeue about the elements of slots and some more jobs; return each slot with its element, and their words.

    Jobs are asked for by id, or all by their names where an sbatch has not answered, so that its id is unknown.
    """
    ids = {*job_ids, *(slot.element.partition("_")[0] for slot in slots if slot.element)}
    names = {slot.name for slot in slots} if any(not slot.element for slot in slots) else set()
    if not ids and not names:
        return {}, {}
    rows = _rows(["--name", ",".join(sorted(names))] if names else ["-j", ",".join(sorted(ids))])
    job_of = {name: element.partition("_")[0] for element, name, _ in rows}
    arrays_of_one = {name for element, name, _ in rows if "_" not in element}
    answered = {slot: _named(slot, job_of, arrays_of_one) for slot in slots}
    return answered, {element: words for element, _, words in rows}


def accounted(elements: Iterable[str]) -> dict[str, Element]:
    """Return what the accounting remembers of elements; nothing where there is none, or it does not answer."""
    ids = ",".join(sorted(set(elements)))
    if not ids:
        return {}
    try:
        command = ["sacct", "-X", "-n", "-P", "-j", ids, "-o", "JobID,State,NodeList"]
        text = slurm.answer(command, timeout_s=_SACCT_LIMIT_S)
    except ClusterError as error:
        logger.debug("nothing from the accounting: %s", error)
        return {}
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return {element: Element((word.split() or [""])[0], _known(node)) for element, word, node in rows}


def _rows(which: Sequence[str]) -> list[tuple[str, str, Element]]:
    """Return element, job name and words of every element that squeue lists."""
    done = slurm.ask(["squeue", "-h", "-r", "-t", "all", *which, "-o", _FORMAT], timeout_s=_SQUEUE_LIMIT_S)
    if done.returncode and "Invalid job id" not in done.stderr:
        raise ClusterError(f"squeue failed: {done.stderr.strip() or done.stdout.strip()}")
    return [_row(line) for line in done.stdout.splitlines() if line.count("|") >= _FORMAT.count("|")]


def _row(line: str) -> tuple[str, str, Element]:
    element, *words, name = (word.strip() for word in line.split("|", _FORMAT.count("|")))
    return element, name, Element(*map(_known, words))


def _known(word: str) -> str:
    return "" if word.strip() in _NOTHING else word.strip()


def _named(slot: Slot, job_of: Mapping[str, str], plain: Collection[str]) -> Slot:
    """Return a slot with its element, which Slurm knows by the job's name where sbatch has not answered."""
    if slot.element or slot.name not in job_of:
        return slot
    return replace(slot, element=element_id(job_of[slot.name], slot.index, many=slot.name not in plain))
