"""One submission under way: intents before each sbatch, receipts after it, and how to take it back."""

import logging
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedJobError, FailedSubmissionError

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.arrays import Array, Pace, dependency_of
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.sbatch import Executor, own_words, path_line, python_command, srun_line
from xstilts_hpc.cluster.sbatch_options import collector_options, run_options
from xstilts_hpc.cluster.submission import COLLECTOR, Submission, prepare_all
from xstilts_hpc.cluster.succession import put_on_record
from xstilts_hpc.errors import ClusterError
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import RunFolder, run_folder

logger = logging.getLogger(__name__)

# After an sbatch that timed out, Slurm may still be taking the job in.
_LATE_S = 10.0
_TIMED_OUT = ("timed out", "returned non-zero exit status 124", "exit code 124")


class UnansweredError(ClusterError):
    """An sbatch gave no answer, and Slurm does not say whether it took the job."""


class Handover:
    """One submission under way, and how to take it back."""

    def __init__(self, plan: Plan, submission: Submission, profile: Profile) -> None:
        """Begin with what is planned; nothing is written yet."""
        self.submission = submission
        self._plan = plan
        self._profile = profile
        self._plan_file = grid_folder(submission.root, plan.name).plan
        self._plan_before = self._plan_file.read_bytes() if self._plan_file.is_file() else b""
        self._kept: Path | None = None
        self._new: list[RunFolder] = []

    def prepare(self) -> None:
        """Write the plan, the run folders of everything not done, and what is intended, job names included."""
        self._kept = put_on_record(self._plan, self.submission.root)
        run_ids = [*self.submission.runs, *self.submission.queued, *self.submission.waiting]
        folders = [run_folder(self.submission.root, run_id) for run_id in run_ids]
        self._new = [folder for folder in folders if not folder.path.exists()]
        prepare_all(self._plan, self.submission.root, run_ids)
        self.submission.folder.mkdir(parents=True)
        self.submission.write()

    def array(self, number: int, arrays: Sequence[Array], pace: Pace) -> None:
        """Submit one array with one sbatch, and write down its job id."""
        array, submitted = arrays[number], self.submission.arrays[number]
        job_ids = [one.job_id for one in self.submission.arrays]
        dependency = dependency_of(array, job_ids, arrays, pace.follows)
        options = run_options(
            _with_time(self._profile, submitted.time_min),
            name=submitted.name,
            parallel=pace.parallel or len(array.packs),
            dependency=dependency,
            lines=[*self._lines(), *_hook_lines(self.submission.json, number)],
        )
        job_id = self._sbatch(options, str(number), len(array.packs))
        self.submission = self.submission.with_job(number, job_id, dependency)
        self.submission.write()

    def collector(self) -> None:
        """Submit the collector, which starts when everything has ended, one way or the other."""
        options = collector_options(
            self._profile,
            name=self.submission.collector_name,
            dependency="afterany:" + ":".join(self.submission.job_ids),
            lines=self._lines(),
        )
        self.submission = replace(self.submission, collector=self._sbatch(options, COLLECTOR, 1))
        self.submission.write()

    def undo(self) -> None:
        """Cancel what was submitted, and remove what was written here and holds nothing yet."""
        slurm.cancel(self.submission.job_ids)
        shutil.rmtree(self.submission.folder, ignore_errors=True)
        for folder in self._new:
            if folder.path.is_dir() and set(folder.path.iterdir()) <= {folder.run_json, folder.request_json}:
                shutil.rmtree(folder.path, ignore_errors=True)
        if self._kept:
            self._kept.unlink(missing_ok=True)
            remove_empty(self._kept.parent, self._plan_file.parent)
        if self._plan_before:
            self._plan_file.write_bytes(self._plan_before)
        else:
            self._plan_file.unlink(missing_ok=True)
        remove_empty(self.submission.root / "runs", self.submission.root)

    @property
    def _code(self) -> Path:
        return Path(self.submission.code)

    def _lines(self) -> list[str]:
        return [path_line(self._code), srun_line(self.submission.folder)]

    def _sbatch(self, options: Mapping[str, Any], argument: str, count: int) -> str:
        """Return the job id that sbatch gives, or that Slurm knows by the job's name where sbatch gave none."""
        executor = Executor(self.submission.folder)
        executor.update_parameters(**options)
        try:
            command = python_command(self._code, "xstilts_hpc.cluster.job", [str(self.submission.json), argument])
            return executor.submit_command(command, count)
        except (FailedJobError, FailedSubmissionError, OSError) as problem:
            reason = own_words(problem)
            logger.info("sbatch failed (%s); asking Slurm for a job named %s", reason, options["job_name"])
            return self._by_name(options["job_name"], reason)

    def _by_name(self, name: str, reason: str) -> str:
        late = any(words in reason.lower() for words in _TIMED_OUT)
        deadline = time.monotonic() + (_LATE_S if late else 0)
        while True:
            try:
                found = slurm.jobs_named([name])
            except ClusterError as silent:
                raise UnansweredError(f"sbatch: {reason}; and {silent}; {_LATER}") from None
            if name in found:
                return found[name]
            if time.monotonic() >= deadline:
                break
            time.sleep(1)
        if late:
            raise UnansweredError(f"sbatch: {reason}; Slurm knows no job named {name} yet; {_LATER}")
        raise ClusterError(
            f"sbatch refused: {reason}\nnothing was left in the queue; change the profile and submit again"
        )


_LATER = "what was handed over stays queued and is written down: submit again when Slurm answers, nothing runs twice"


def _hook_lines(record: Path, number: int) -> list[str]:
    """Return the shell lines that have the batch script settle its element when its processes have ended.

    The trap on TERM lets bash wait for srun instead of dying before it; Slurm signals the processes itself.
    """
    command = shlex.join([sys.executable, "-P", "-m", "xstilts_hpc.cluster.after", str(record), str(number)])
    return [
        f'xstilts_after() {{ local code=$?; {command} "$code"; exit "$code"; }}',
        "trap xstilts_after EXIT",
        "trap : TERM",
    ]


def _with_time(profile: Profile, time_min: int) -> Profile:
    """Return a profile with another time limit; 0 keeps its own."""
    return profile.model_copy(update={"time_min": time_min}) if time_min else profile


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it up to and with the root, as far as they are empty."""
    while folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
