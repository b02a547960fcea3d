"""The state of every run of a plan, from folders and marker files, and one question to Slurm."""

import logging
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.table import Table

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.submission import is_alive, latest_elements
from xstilts_hpc.errors import ClusterError
from xstilts_hpc.plan import Plan, by_stage
from xstilts_hpc.run import run_folder

logger = logging.getLogger(__name__)

_SQUEUE_LIMIT_S = 10.0


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
class Queue:
    """What Slurm says: its word for the latest element of each run, and whether it answered at all."""

    word_of: Mapping[str, str]
    answered: bool = True


def states(plan: Plan, root: Path) -> dict[str, State]:
    """Return the state of every run; where Slurm does not answer, a warning says so and the files decide."""
    done = plan.done(root)
    queue = queue_of(plan, root) if len(done) < len(plan.runs) else Queue({})
    found: dict[str, State] = {}
    for run_id, planned in plan.runs.items():
        parent = found.get(planned.run.parent, State.COMPLETED)
        found[run_id] = State.COMPLETED if run_id in done else _state(root, run_id, queue, parent)
    return found


def queue_of(plan: Plan, root: Path) -> Queue:
    """Ask Slurm once about the latest element of every run that was submitted."""
    elements = {run_id: element for run_id, element in latest_elements(root).items() if run_id in plan.runs}
    job_ids = {element.partition("_")[0] for element in elements.values()}
    try:
        words = slurm.elements_of(job_ids, timeout_s=_SQUEUE_LIMIT_S)
    except ClusterError as error:
        logger.warning("states come from files alone, since Slurm does not answer: %s", error)
        return Queue(dict.fromkeys(elements, "UNKNOWN"), answered=False)
    return Queue({run_id: words[element] for run_id, element in elements.items() if element in words})


def counts(plan: Plan, found: Mapping[str, State]) -> dict[str, Counter[State]]:
    """Return how many runs of each stage are in each state."""
    return {stage.value: Counter(found[planned.run.id] for planned in runs) for stage, runs in by_stage(plan)}


def status_table(plan: Plan, found: Mapping[str, State]) -> Table:
    """Return the table stage by state; a state in which no run is has no column."""
    here = [state for state in State if state in set(found.values())]
    table = Table("stage", title=plan.name)
    for state in (*here, "runs"):
        table.add_column(str(state), justify="right")
    rows = counts(plan, found)
    for stage, row in {**rows, "all": sum(rows.values(), Counter[State]())}.items():
        table.add_row(stage, *(str(row[state] or "") for state in here), str(row.total()), end_section=True)
    return table


def _state(root: Path, run_id: str, queue: Queue, parent: State) -> State:
    """Return the state of a run that is not done."""
    attempts = run_folder(root, run_id).attempts()
    last: Mapping[str, Any] = attempts[-1] if attempts else {}
    word = queue.word_of.get(run_id, "")
    if word in slurm.RUNNING:
        return State.RUNNING
    if word in slurm.PENDING:
        return State.SUBMITTED
    if not queue.answered and word:
        return State.RUNNING if _is_open(last) else State.SUBMITTED
    if _is_open(last) and last.get("host") == socket.gethostname() and is_alive(int(last["pid"])):
        return State.RUNNING
    return _ended(last, word, parent)


def _is_open(attempt: Mapping[str, Any]) -> bool:
    return bool(attempt) and not attempt.get("end")


def _ended(last: Mapping[str, Any], word: str, parent: State) -> State:
    """Return the state of a run that is neither queued nor running: what it did last, else what its parent allows."""
    if parent in (State.FAILED, State.BLOCKED):
        return State.BLOCKED
    if _is_open(last) or last.get("cause") == "failed":
        return State.FAILED
    if not last and word and word != "COMPLETED" and not word.startswith(("CANCELLED", "PREEMPTED")):
        return State.FAILED
    return State.ELIGIBLE if parent == State.COMPLETED else State.WAITING
