"""Hand a plan's undone runs to Slurm through submitit, all at once or not at all; a wave at a time where limits say."""

import logging
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.arrays import Array, Pace, arrays_of, paces_of
from xstilts_hpc.cluster.handover import Handover, UnansweredError, remove_empty
from xstilts_hpc.cluster.limits import queued_now, read_limits
from xstilts_hpc.cluster.nodes import bad_nodes
from xstilts_hpc.cluster.packing import Shape
from xstilts_hpc.cluster.profile import Profile, describe
from xstilts_hpc.cluster.queue import Queue, ask_queue
from xstilts_hpc.cluster.sbatch_options import clean_environment, require_plain
from xstilts_hpc.cluster.snapshot import take_snapshot
from xstilts_hpc.cluster.submission import (
    COLLECT,
    EXECUTE,
    Submission,
    SubmittedArray,
    handing_over,
    lock,
    now,
    submissions,
)
from xstilts_hpc.cluster.succession import USUAL, Terms, check_succession, put_on_record
from xstilts_hpc.cluster.waves import wave_of
from xstilts_hpc.errors import ClusterError, ProfileError, nearest
from xstilts_hpc.forecast import minutes_of
from xstilts_hpc.lease import seems_held
from xstilts_hpc.ownership import require_trusted
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder

logger = logging.getLogger(__name__)

_NO_LIMIT = 10**9


@dataclass(frozen=True)
class Entry:
    """What an element calls for a run, and what the collector calls (`module:function`)."""

    execute: str = EXECUTE
    collect: str = COLLECT


def submit(
    plan: Plan,
    root: Path,
    profile: Profile,
    *,
    dry_run: bool = False,
    entry: Entry = Entry(),
    terms: Terms = USUAL,
) -> Submission:
    """Submit what is neither done nor queued, and a collector after it; a dry run changes nothing.

    What limits leave no room for waits for the next wave, which the collector submits. ClusterError where Slurm refuses
    (nothing is left behind) or does not answer (what it took is written down, or found by its name at the next submit).
    """
    root = root.resolve()
    with clean_environment():
        _check(profile, root)
        if dry_run:
            return _Planner(plan, root, profile, entry, terms).planned()[0]
        try:
            with lock(root, plan.name), handing_over(root):
                require_trusted(grid_folder(root, plan.name).submissions, root)
                _receive(root)
                return _submit(_Planner(plan, root, profile, entry, terms))
        except BaseException:
            remove_empty(grid_folder(root, plan.name).submissions, root)
            raise


def _check(profile: Profile, root: Path) -> None:
    """Find out before anything is written whether the cluster is there and knows the profile's names."""
    if profile.kind != "slurm":
        raise ProfileError(f"profile {profile.name!r} is of kind {profile.kind}; submit needs one of kind slurm")
    require_plain(root)
    known = slurm.partitions()
    for partition in filter(None, (profile.partition, profile.collector_partition)):
        if partition not in known:
            raise ClusterError(f"the cluster has no partition {partition!r}; {nearest(partition, known)}")
    accounts = slurm.accounts() if profile.account else []
    if accounts and profile.account not in accounts:
        raise ClusterError(f"account {profile.account!r} is not yours; {nearest(profile.account, accounts)}")


def _receive(root: Path) -> None:
    """Write down the job ids of arrays whose sbatch gave no answer, where Slurm knows their names."""
    unanswered = [submission for submission in submissions(root) if submission.unanswered()]
    names = {submission.arrays[number].name for submission in unanswered for number in submission.unanswered()}
    found = slurm.jobs_named(names) if names else {}
    for submission in unanswered:
        received = submission
        for number in submission.unanswered():
            name = submission.arrays[number].name
            if name in found:
                received = received.with_job(number, found[name], submission.arrays[number].dependency)
        if received != submission:
            received.write()


class _Planner:
    """What would be submitted now, by what is done, queued and allowed."""

    def __init__(self, plan: Plan, root: Path, profile: Profile, entry: Entry, terms: Terms) -> None:
        self.plan = plan
        self.root = root
        self.profile = profile
        self._entry = entry
        self._terms = terms

    def planned(self) -> tuple[Submission, list[Array], list[Pace]]:
        """Ask Slurm what it holds, and return what would be submitted now."""
        check_succession(self.plan, self.root, self._terms)
        done = self.plan.done(self.root)
        queue = ask_queue(self.root, self.plan.runs.keys() - done)
        if queue.problem:
            raise ClusterError(f"Slurm does not say what it holds ({queue.problem}); submit again when it answers")
        queued = _held(queue)
        arrays, later = self._arrays(done, queued)
        token = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
        here = {run_id for array in arrays for run_id in array.runs}
        submission = Submission(
            folder=grid_folder(self.root, self.plan.name).submissions / token,
            grid=self.plan.name,
            root=self.root,
            profile=describe(self.profile),
            machine=self.profile.machine(),
            arrays=tuple(self._intended(array, number, token) for number, array in enumerate(arrays)),
            created=now(),
            entry=self._entry.execute,
            collect=self._entry.collect,
            later=bool(later),
            done=tuple(run_id for run_id in self.plan.runs if run_id in done),
            queued=tuple(queued),
            waiting=tuple(i for i in self.plan.runs if i not in done and i not in queued and i not in here),
        )
        return submission, arrays, paces_of(arrays, self.profile.max_parallel)

    def _arrays(self, done: Collection[str], queued: Mapping[str, str]) -> tuple[list[Array], list[str]]:
        limits = read_limits(self.profile)
        busy = set(_executing(self.root, [i for i in self.plan.runs if i not in done and i not in queued]))
        only = self._terms.only
        wanted = {i: p for i, p in self.plan.runs.items() if i not in busy and (not only or i in only)}
        shape = Shape(
            max_array_size=limits.max_array_size,
            time_min=self.profile.time_min,
            pack_min=self.profile.pack_min,
            minutes=minutes_of(self.plan, self.root, self.profile.name, self.profile.num_ranks),
            at_once=self.profile.runs_per_gpu,
        )
        arrays = arrays_of(replace(self.plan, runs=wanted), done=done, queued=queued, shape=shape)
        bounds = [bound for bound in (self.profile.max_submit or limits.max_submit, limits.max_jobs) if bound]
        room = min(bounds, default=_NO_LIMIT) - (queued_now() if bounds else 0) - 1  # one for the collector
        if arrays and room < 1:
            raise ClusterError(
                f"no room in the queue: at most {min(bounds)} elements may be queued, and others take it up; "
                "submit again when some have ended (`squeue -u $USER` lists them)"
            )
        return wave_of(arrays, room)

    def _intended(self, array: Array, number: int, token: str) -> SubmittedArray:
        name = f"xs-{self.plan.name}-{array.stage}-{token}-{number}"
        return SubmittedArray(array.stage, array.packs, array.depends_on, name=name, time_min=array.time_min)


def _held(queue: Queue) -> dict[str, str]:
    """Return what leads from a run to its element that is still queued or running, whichever grid submitted it."""
    elements = {run_id: (slot.element, queue.of(run_id)) for run_id, slot in queue.slots.items()}
    return {run_id: name for run_id, (name, words) in elements.items() if words.is_pending or words.is_running}


def _executing(root: Path, run_ids: Iterable[str]) -> list[str]:
    """Return the runs that a process of this machine executes outside Slurm."""
    found = {run_id: seems_held(run_folder(root, run_id).lease) for run_id in run_ids}
    held = {run_id: holder for run_id, holder in found.items() if holder and not holder.job}
    for run_id, holder in held.items():
        logger.warning("run %s is left out: %s executes it (%s)", run_id, holder, run_folder(root, run_id).lease)
    return list(held)


def _submit(planner: _Planner) -> Submission:
    submission, arrays, paces = planner.planned()
    if not arrays:
        put_on_record(planner.plan, submission.root)
        return submission
    submission = replace(submission, code=str(take_snapshot(submission.root)))
    handover = Handover(planner.plan, submission, _without_bad_nodes(planner.profile, submission.root))
    try:
        handover.prepare()
        for number, pace in enumerate(paces):
            handover.array(number, arrays, pace)
        handover.collector()
    except UnansweredError:
        raise
    except BaseException:
        handover.undo()
        raise
    return handover.submission


def _without_bad_nodes(profile: Profile, root: Path) -> Profile:
    """Return the profile with the nodes excluded on which several runs died; its own exclusions stay."""
    bad = [node.name for node in bad_nodes(root)]
    if not bad or "nodelist" in profile.slurm:
        return profile
    own = [str(profile.slurm["exclude"])] if "exclude" in profile.slurm else []
    return profile.model_copy(update={"slurm": {**profile.slurm, "exclude": ",".join([*own, *bad])}})
