"""Who still needs what under a root: the plans of all grids, and the jobs that Slurm holds."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xstilts_hpc.cluster.queue import Slot, ask_slots, slots_in
from xstilts_hpc.cluster.submission import Submission, submissions
from xstilts_hpc.cluster.succession import replaced_plans
from xstilts_hpc.errors import ClusterError, RunError
from xstilts_hpc.lease import seems_held
from xstilts_hpc.plan import Plan, load_plan, plan_files
from xstilts_hpc.run_folder import run_folder

# An sbatch that gave no answer a day ago brings no job any more.
_LATE_S = 86_400


@dataclass(frozen=True)
class Claims:
    """What the grids under a root still need.

    `done` are the runs that are done in every plan that holds them, `undone_children` leads from a run to those that
    start from its encoder and are not done in some plan, `grids_of` to the grids whose plans hold it, `once_of` to a
    grid that held it before another of its name was submitted. `busy` leads from a run to why nothing of it may be
    touched now. `held` are the submissions of which Slurm holds a job, or may hold one: `problem` says why it gave no
    answer.
    """

    done: Collection[str]
    undone_children: Mapping[str, list[str]]
    grids_of: Mapping[str, list[str]]
    busy: Mapping[str, str]
    once_of: Mapping[str, str] = field(default_factory=dict)
    submissions: tuple[Submission, ...] = ()
    held: frozenset[Path] = field(default_factory=frozenset)
    problem: str = ""


def claims(root: Path) -> Claims:
    """Read the plans of all grids, and ask Slurm once; RunError where a plan cannot be read: none may be missed."""
    plans = all_plans(root)
    undone = {plan.name: plan.runs.keys() - plan.done(root) for plan in plans}
    grids_of: dict[str, list[str]] = {}
    children: dict[str, list[str]] = {}
    for plan in plans:
        for run_id, planned in plan.runs.items():
            grids_of.setdefault(run_id, []).append(plan.name)
            if planned.run.parent and run_id in undone[plan.name]:
                children.setdefault(planned.run.parent, []).append(run_id)
    queued, held, problem = _held(root)
    return Claims(
        done=grids_of.keys() - set().union(*undone.values()),
        undone_children={parent: sorted(set(found)) for parent, found in children.items()},
        grids_of=grids_of,
        busy={**queued, **_leased(root, grids_of)},
        once_of={run_id: plan.name for plan in replaced_plans(root) for run_id in plan.runs},
        submissions=tuple(submissions(root)),
        held=held,
        problem=problem,
    )


def all_plans(root: Path) -> list[Plan]:
    """Return the plans of all grids that were submitted."""
    try:
        return [load_plan(path) for path in sorted(plan_files(root))]
    except RunError as error:
        raise RunError(f"{error}\nnothing is deleted while the plan of a grid cannot be read") from None


def grid_names(root: Path) -> list[str]:
    """Return the names of all grids that have a plan."""
    return sorted(path.parent.name for path in plan_files(root))


def _held(root: Path) -> tuple[dict[str, str], frozenset[Path], str]:
    """Return why runs are busy, the submissions of which Slurm holds a job, and why it gave no answer."""
    slots = {slot: submission for submission in submissions(root) for slot in _slots(submission)}
    try:
        answered, listed = ask_slots(slots)
    except ClusterError as error:
        busy = {run_id: "it was submitted, and Slurm does not answer" for slot in slots for run_id in slot.pack}
        return busy, frozenset(submission.folder for submission in slots.values()), str(error)
    words = {slot: listed[answered[slot].element] for slot in slots if answered[slot].element in listed}
    alive = [slot for slot, element in words.items() if element.is_pending or element.is_running]
    late = [submission.folder for submission in slots.values() if _may_come(submission)]
    busy = {run_id: f"Slurm holds it: {words[slot].word}" for slot in alive for run_id in slot.pack}
    return busy, frozenset([*(slots[slot].folder for slot in alive), *late]), ""


def _may_come(submission: Submission) -> bool:
    """Say whether an sbatch that gave no answer may still bring a job."""
    return bool(submission.unanswered()) and time.time() - submission.json.stat().st_mtime < _LATE_S


def _slots(submission: Submission) -> list[Slot]:
    """Return the elements of a submission, and its collector as one that holds no runs."""
    return [*slots_in(submission), Slot(submission, (), submission.collector, submission.collector_name)]


def _leased(root: Path, run_ids: Collection[str]) -> dict[str, str]:
    """Return the runs that a process executes, or may execute on another machine."""
    found = {}
    for run_id in run_ids:
        lease = run_folder(root, run_id).lease
        holder = seems_held(lease)
        if holder:
            found[run_id] = f"{holder} executes it"
    return found
