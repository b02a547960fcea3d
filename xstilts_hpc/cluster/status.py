"""The state of every run of a plan, from folders and marker files, and one question to Slurm."""

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from xstilts_hpc.causes import RULES, Cause
from xstilts_hpc.cluster.attempts import Attempt, Attempts, is_open
from xstilts_hpc.cluster.queue import Element, Queue, Slot, accounted, ask_queue
from xstilts_hpc.lease import is_alive, seems_held
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import RunFolder, run_folder

logger = logging.getLogger(__name__)

# An attempt whose record has no end, of which nobody holds anything: its node died, or somebody killed it.
LOST = "lost"
_CAUSE_OF_WORD = {
    "CANCELLED": Cause.CANCELLED,
    "TIMEOUT": Cause.TIME_LIMIT,
    "DEADLINE": Cause.TIME_LIMIT,
    "NODE_FAIL": Cause.NODE_FAILED,
    "BOOT_FAIL": Cause.NODE_FAILED,
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY,
    "PREEMPTED": Cause.PREEMPTED,
}
# A lease on another machine is touched every few seconds; much later its holder is gone, whatever its clock says.
_FRESH_S = 600.0
# After these, and after nothing, a run may be handed over (again); every other end is a failure.
_NO_FAILURE = ("", Cause.COMPLETED, Cause.CANCELLED, Cause.BLOCKED)


class State(StrEnum):
    """Where a run stands; eligible = parent completed and not submitted, blocked = parent failed or blocked."""

    WAITING = "waiting"
    ELIGIBLE = "eligible"
    SUBMITTED = "submitted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Standing:
    """Where a run stands: its state, how its last attempt ended if that is why, that attempt, and its element."""

    state: State
    cause: str = ""
    attempt: Attempt = field(default_factory=dict)
    element: Element = field(default_factory=Element)


@dataclass(frozen=True)
class View:
    """A plan, where its runs stand, and what Slurm said of them."""

    plan: Plan
    root: Path
    standings: Mapping[str, Standing]
    queue: Queue

    @property
    def states(self) -> dict[str, State]:
        """Return the state of every run."""
        return {run_id: standing.state for run_id, standing in self.standings.items()}

    def in_state(self, *states: State) -> list[str]:
        """Return the runs in some states."""
        return [run_id for run_id, standing in self.standings.items() if standing.state in states]


@dataclass(frozen=True)
class _Evidence:
    """What is known of a run that is not done."""

    run: str
    last: Attempt
    slot: Slot | None
    element: Element
    answered: bool
    lease: Path

    @property
    def current(self) -> bool:
        """Say whether the last attempt was made by the latest element."""
        return bool(self.last and self.slot and self.slot.holds(self.last))

    @property
    def overtaken(self) -> bool:
        """Say whether the latest element was submitted after the last attempt, and has made none itself."""
        if self.current or not self.slot or not self.slot.element:
            return False
        return str(self.last.get("start", "")) < self.slot.submission.created

    @property
    def began(self) -> bool:
        """Say whether the latest element began with this run, as far as its log tells, without a record of it."""
        if not self.overtaken or not self.slot or self.slot.pack[0] != self.run:
            return False
        return self.slot.submission.log_of(self.slot.element).is_file()


def states(plan: Plan, root: Path) -> dict[str, State]:
    """Return the state of every run; where Slurm does not answer, a warning says so and the files decide."""
    view = look(plan, root)
    if view.queue.problem:
        logger.warning("states come from files alone, since Slurm does not answer: %s", view.queue.problem)
    return view.states


def look(plan: Plan, root: Path) -> View:
    """Find out where every run stands. Changes nothing but what is remembered to be faster the next time."""
    done = plan.done(root)
    todo = [run_id for run_id in plan.runs if run_id not in done]
    queue, attempts = ask_queue(root, set(todo)), Attempts(root)
    evidence = [item for item in (_evidence(root, i, queue, attempts) for i in todo) if not _is_done_now(plan, item)]
    attempts.save()
    known = {item.run: item for item in _with_accounting(evidence)}
    standings: dict[str, Standing] = {}
    for run_id, planned in plan.runs.items():
        above = standings.get(planned.run.parent, Standing(State.COMPLETED)).state
        standings[run_id] = _standing(known[run_id], above) if run_id in known else Standing(State.COMPLETED)
    return View(plan, root, standings, queue)


def _evidence(root: Path, run_id: str, queue: Queue, attempts: Attempts) -> _Evidence:
    last: Attempt = (attempts.of(run_id) or [{}])[-1]
    return _Evidence(
        run_id, last, queue.slots.get(run_id), queue.of(run_id), not queue.problem, run_folder(root, run_id).lease
    )


def _is_done_now(plan: Plan, item: _Evidence) -> bool:
    """Say whether a run was done between the look at its products and that at its attempts."""
    if item.last.get("cause") != Cause.COMPLETED:
        return False
    return RunFolder(item.lease.parent).done(plan.runs[item.run].request)


def _with_accounting(evidence: list[_Evidence]) -> list[_Evidence]:
    """Ask the accounting about elements that began, left no end on record, and that squeue has forgotten."""
    unsure = [item for item in evidence if item.answered and not item.element.word and item.slot]
    unsure = [item for item in unsure if (item.current and is_open(item.last)) or item.began]
    told = accounted(item.slot.element for item in unsure if item.slot)
    asked = {item.run: told.get(item.slot.element, Element()) for item in unsure if item.slot}
    return [replace(item, element=asked.get(item.run, item.element)) for item in evidence]


def _standing(item: _Evidence, parent: State) -> Standing:
    """Return where a run stands that is not done."""
    if item.slot and item.element.is_pending:
        return Standing(State.SUBMITTED, attempt=item.last, element=item.element)
    if item.slot and (item.element.is_running or not item.answered):
        return _held(item, parent)
    if _lives(item):
        return Standing(State.RUNNING, attempt=item.last)
    return _ended(item, parent)


def _lives(item: _Evidence) -> bool:
    """Say whether a process executes a run: one of this machine, or one whose lease is kept fresh."""
    if is_open(item.last) and item.last.get("host") == socket.gethostname() and is_alive(item.last.get("pid", 0)):
        return True
    holder = seems_held(item.lease)
    # an element that Slurm no longer holds has ended, however fresh the lease it left on another machine
    return holder is not None and (holder.host == socket.gethostname() or not (holder.job and item.answered))


def _held(item: _Evidence, parent: State) -> Standing:
    """Return where a run stands whose element runs, or may run since Slurm does not answer.

    A run of a pack that has not begun has its turn later; one that has ended for good will not be tried again.
    """
    alone = item.slot is not None and len(item.slot.pack) == 1
    if is_open(item.last) or (alone and item.element.is_running):
        return Standing(State.RUNNING, attempt=item.last, element=item.element)
    if item.current and not _starts_again(item.last):
        return _ended(item, parent)
    return Standing(State.SUBMITTED, attempt=item.last, element=item.element)


def _starts_again(attempt: Attempt) -> bool:
    """Say whether an attempt's element starts the run again: as decided, or before that as its cause allows."""
    cause = str(attempt.get("cause", ""))
    return bool(attempt.get("again", cause in set(Cause) and RULES[Cause(cause)].budget > 0))


def _ended(item: _Evidence, parent: State) -> Standing:
    """Return where a run stands that is neither queued nor running: what it did last, else what its parent allows."""
    cause = _cause(item)
    if parent in (State.FAILED, State.BLOCKED):
        return Standing(State.BLOCKED, attempt=item.last)
    if cause not in _NO_FAILURE:
        return Standing(State.FAILED, cause, item.last, item.element)
    return Standing(State.ELIGIBLE if parent == State.COMPLETED else State.WAITING, attempt=item.last)


def _cause(item: _Evidence) -> str:
    """Return how a run ended, empty where it never began: an element cancelled before its start is listed nowhere."""
    word = item.element.word
    told = _CAUSE_OF_WORD.get(word, "")
    if item.overtaken and item.answered:
        first = item.slot is not None and item.slot.pack[0] == item.run
        failed = item.began if not word else word not in ("COMPLETED", "CANCELLED", "PREEMPTED")
        return (told or LOST) if first and failed else ""
    if is_open(item.last):
        return told or LOST
    return str(item.last.get("cause", ""))
