"""Hand a plan's undone runs to Slurm through submitit, all at once or not at all."""

import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.arrays import Array, Pace, arrays_of, dependency_of, paces_of
from xstilts_hpc.cluster.job import collector, element
from xstilts_hpc.cluster.profile import Profile, describe
from xstilts_hpc.cluster.sbatch_options import clean_environment, collector_options, run_options
from xstilts_hpc.cluster.submission import (
    COLLECT,
    EXECUTE,
    Submission,
    SubmittedArray,
    latest_elements,
    lock,
    now,
    prepare_all,
)
from xstilts_hpc.errors import ClusterError, ProfileError, nearest
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run import RunFolder, run_folder


def submit(
    plan: Plan, root: Path, profile: Profile, *, dry_run: bool = False, entry: str = EXECUTE, collect: str = COLLECT
) -> Submission:
    """Submit what is neither done nor queued, and a collector after it; a dry run changes nothing.

    `entry` and `collect` name (`module:function`) what an element and the collector call.
    """
    root = root.resolve()
    with clean_environment():
        _check(profile, root)
        if dry_run:
            return _planned(plan, root, profile, entry, collect)[0]
        try:
            with lock(root, plan.name):
                return _submit(plan, _planned(plan, root, profile, entry, collect), profile)
        except BaseException:
            _remove_empty(grid_folder(root, plan.name).submissions, root)
            raise


def _check(profile: Profile, root: Path) -> None:
    """Find out before anything is written whether the cluster is there and knows the profile's names."""
    if profile.kind != "slurm":
        raise ProfileError(f"profile {profile.name!r} is of kind {profile.kind}; submit needs one of kind slurm")
    if "%" in str(root):
        raise ClusterError(f"{root}: Slurm reads % in a path as a pattern; use a root without it")
    known = slurm.partitions()
    for partition in filter(None, (profile.partition, profile.collector_partition)):
        if partition not in known:
            raise ClusterError(f"the cluster has no partition {partition!r}; {nearest(partition, known)}")
    accounts = slurm.accounts() if profile.account else []
    if accounts and profile.account not in accounts:
        raise ClusterError(f"account {profile.account!r} is not yours; {nearest(profile.account, accounts)}")


def _planned(
    plan: Plan, root: Path, profile: Profile, entry: str, collect: str
) -> tuple[Submission, list[Array], list[Pace]]:
    """Return what would be submitted now."""
    done = plan.done(root)
    queued = {run_id: element for run_id, element in queued_elements(root).items() if run_id in plan.runs}
    queued = {run_id: element for run_id, element in queued.items() if run_id not in done}
    arrays = arrays_of(plan, done=done, queued=queued, max_array_size=slurm.max_array_size())
    here = {run_id for array in arrays for run_id in array.runs}
    token = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    submission = Submission(
        folder=grid_folder(root, plan.name).submissions / token,
        grid=plan.name,
        root=root,
        profile=describe(profile),
        machine=profile.machine(),
        arrays=tuple(SubmittedArray(array.stage, array.runs, array.depends_on) for array in arrays),
        created=now(),
        entry=entry,
        collect=collect,
        done=tuple(run_id for run_id in plan.runs if run_id in done),
        queued=tuple(queued),
        waiting=tuple(i for i in plan.runs if i not in done and i not in queued and i not in here),
    )
    return submission, arrays, paces_of(arrays, profile.max_parallel)


def queued_elements(root: Path) -> dict[str, str]:
    """Return what leads from a run to its element that is still queued or running, whichever grid submitted it."""
    elements = latest_elements(root)
    words = slurm.elements_of(element.partition("_")[0] for element in elements.values())
    return {run_id: e for run_id, e in elements.items() if words.get(e) in slurm.PENDING | slurm.RUNNING}


def _submit(plan: Plan, planned: tuple[Submission, list[Array], list[Pace]], profile: Profile) -> Submission:
    submission, arrays, paces = planned
    if not arrays:
        plan.save(grid_folder(submission.root, plan.name).plan)
        return submission
    handover = _Handover(plan, submission, profile)
    try:
        handover.prepare()
        for number, pace in enumerate(paces):
            handover.array(number, arrays, pace)
        handover.collector()
    except (FailedJobError, FailedSubmissionError) as refused:
        handover.undo()
        raise ClusterError(
            f"sbatch refused: {_reason(refused)}\nnothing was left in the queue; change the profile and submit again"
        ) from None
    except BaseException:
        handover.undo()
        raise
    return handover.submission


class _Handover:
    """One submission under way, and how to take it back."""

    def __init__(self, plan: Plan, submission: Submission, profile: Profile) -> None:
        self.submission = submission
        self._plan = plan
        self._profile = profile
        self._plan_file = grid_folder(submission.root, plan.name).plan
        self._plan_before = self._plan_file.read_bytes() if self._plan_file.is_file() else b""
        self._new: list[RunFolder] = []

    def prepare(self) -> None:
        """Write the plan, the run folders of everything not done, and what is intended."""
        self._plan.save(self._plan_file)
        run_ids = [*self.submission.runs, *self.submission.queued, *self.submission.waiting]
        folders = [run_folder(self.submission.root, run_id) for run_id in run_ids]
        self._new = [folder for folder in folders if not folder.path.exists()]
        prepare_all(self._plan, self.submission.root, run_ids)
        self.submission.folder.mkdir(parents=True)
        self.submission.write()

    def array(self, number: int, arrays: list[Array], pace: Pace) -> None:
        """Submit one array with one sbatch, and write down its job id."""
        array = arrays[number]
        job_ids = [submitted.job_id for submitted in self.submission.arrays]
        dependency = dependency_of(array, job_ids, arrays, pace.follows)
        options = run_options(
            self._profile,
            name=f"xs-{self._plan.name}-{array.stage}",
            parallel=pace.parallel or len(array.runs),
            dependency=dependency,
        )
        jobs = self._executor(options).map_array(element, [str(self.submission.json)] * len(array.runs), array.runs)
        job_id = str(jobs[0].job_id).partition("_")[0]
        self.submission = self.submission.with_job(number, job_id, dependency)
        self.submission.write()

    def collector(self) -> None:
        """Submit the collector, which starts when everything has ended, one way or the other."""
        options = collector_options(
            self._profile,
            name=f"xs-{self._plan.name}-collect",
            dependency="afterany:" + ":".join(self.submission.job_ids),
        )
        job = self._executor(options).submit(collector, str(self.submission.json))
        self.submission = replace(self.submission, collector=str(job.job_id))
        self.submission.write()

    def undo(self) -> None:
        """Cancel what was submitted, and remove what was written here and holds nothing yet."""
        slurm.cancel(self.submission.job_ids)
        shutil.rmtree(self.submission.folder, ignore_errors=True)
        for folder in self._new:
            if folder.path.is_dir() and set(folder.path.iterdir()) <= {folder.run_json, folder.request_json}:
                shutil.rmtree(folder.path, ignore_errors=True)
        if self._plan_before:
            self._plan_file.write_bytes(self._plan_before)
        else:
            self._plan_file.unlink(missing_ok=True)
        _remove_empty(self.submission.root / "runs", self.submission.root)

    def _executor(self, options: Mapping[str, Any]) -> Any:
        executor = submitit.SlurmExecutor(self.submission.folder, python=shlex.quote(sys.executable))
        executor.update_parameters(**options)
        return executor


def _reason(refused: Exception) -> str:
    """Return sbatch's own words."""
    lines = [line.strip() for line in str(refused).splitlines() if line.strip()]
    own = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in lines if line.startswith("sbatch:")]
    return "; ".join(own or lines)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it up to and with the root, as far as they are empty."""
    while folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
