"""Send the doctor to the nodes: submit its job as runs are submitted, wait for what it writes, and read that."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from submitit.core.utils import FailedJobError, FailedSubmissionError

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.doctor_check import Check, fine, problem, warning
from xstilts_hpc.cluster.doctor_visit import Visit, new_visit, visit_checks
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.sbatch import Executor, own_words, path_line, python_command
from xstilts_hpc.cluster.sbatch_options import clean_environment, require_plain, run_options
from xstilts_hpc.errors import ClusterError
from xstilts_hpc.files import write_json

_PACKAGE_FOLDER = Path(__file__).resolve().parent.parent.parent
_POLL_S, _ASK_EVERY_S = 0.5, 5.0
# What a file written on a node may take to be seen here.
_LATE_FILE_S = 10.0
_WARN_S = 1


@dataclass(frozen=True)
class Patience:
    """Minutes to wait for the job to start (each time), and the time limit it asks for."""

    wait_min: float = 10.0
    time_min: int = 2


@dataclass
class _Watch:
    """A job under way, as this machine sees it."""

    visit: Visit
    job_id: str
    wait_s: float
    started: bool = False
    since: float = 0.0
    word: str = ""
    reason: str = ""

    def wait(self) -> bool:
        """Wait until the job has ended, its second start included; False where it did not start in time."""
        self.since = time.monotonic()
        asked = 0.0
        while not self.visit.again.is_file():
            if time.monotonic() - asked >= _ASK_EVERY_S or not asked:
                asked = time.monotonic()
                self._ask()
                if self.word not in {*slurm.PENDING, *slurm.RUNNING, "unknown"}:
                    return self._late_files()
                if self.word != "RUNNING" and time.monotonic() - self.since > self.wait_s:
                    return False
            time.sleep(_POLL_S)
        return True

    def _ask(self) -> None:
        """Ask Slurm once how the job stands; where it does not answer, nothing is known."""
        try:
            done = slurm.ask(["squeue", "-h", "-j", self.job_id, "-o", "%T|%r"])
        except ClusterError:
            self.word = "unknown"
            return
        if done.returncode and "Invalid job id" not in done.stderr:
            self.word = "unknown"
            return
        self.word, _, self.reason = done.stdout.strip().partition("|")
        if self.word == "RUNNING":
            self.started, self.since = True, time.monotonic()

    def _late_files(self) -> bool:
        """Give the file system time to show what the nodes wrote last."""
        until = time.monotonic() + _LATE_FILE_S
        while time.monotonic() < until and self.visit.order()["requeue"] and not self.visit.again.is_file():
            time.sleep(_POLL_S)
        return True


def send_to_node(profile: Profile, root: Path, patience: Patience, *, tell: Callable[[str], None]) -> list[Check]:
    """Submit the job, wait for it, and return what it found; `tell` is told how to look at it later."""
    root = root.resolve()
    require_plain(root)
    token = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    visit = new_visit(root, token)
    write_json(visit.ordered, _order(profile))
    try:
        job_id = _sbatch(profile, visit, patience.time_min)
    except ClusterError as refused:
        return [problem("job", str(refused), "mend the profile, or what is said of the cluster above, and look again")]
    tell(f"job {job_id} goes to the nodes, as {token}; Ctrl-C leaves it there, `--read {token}` reads what it found")
    watch = _Watch(visit, job_id, patience.wait_min * 60)
    if watch.wait():
        return [fine("job", f"{job_id}, its files are in {visit.folder}"), *visit_checks(visit, time.time())]
    slurm.cancel([job_id])
    return _not_started(watch, patience)


def _order(profile: Profile) -> dict[str, object]:
    return {
        "machine": asdict(profile.machine()),
        "ranks": profile.num_ranks,
        "gpus": bool(profile.num_gpus) and profile.variables().get("DS_ACCELERATOR") != "cpu",
        "requeue": not profile.slurm.get("no-requeue"),
        "profile": profile.name,
        "submitted": time.time(),
    }


def _sbatch(profile: Profile, visit: Visit, time_min: int) -> str:
    """Submit the job with the profile's own options, its time limit aside; return its id."""
    lines = [path_line(_PACKAGE_FOLDER)]
    options = run_options(profile, name=f"xs-doctor-{visit.folder.name}", parallel=1, dependency="", lines=lines)
    # A warning of the profile's length would come at once in so short a job.
    options |= {"time": time_min, "signal_delay_s": _WARN_S}
    command = python_command(_PACKAGE_FOLDER, "xstilts_hpc.cluster.doctor_node", [str(visit.folder)])
    with clean_environment():
        executor = Executor(visit.folder)
        executor.update_parameters(**options)
        try:
            return executor.submit_command(command, 1)
        except (FailedJobError, FailedSubmissionError) as refused:
            raise ClusterError(f"sbatch refused the doctor's job: {own_words(refused)}") from None


def _not_started(watch: _Watch, patience: Patience) -> list[Check]:
    """Return what follows where the job was cancelled because it did not start, or not a second time."""
    said = f"{watch.job_id} is {watch.word.lower()} ({watch.reason}) after {patience.wait_min:g} min, and was cancelled"
    if not watch.started:
        return [problem("job", said, "wait longer with --wait-min, or see why the nodes are busy: squeue, sinfo")]
    checks: Sequence[Check] = visit_checks(watch.visit, time.time())
    return [warning("job", f"{said}: it ran once", "what it found is below"), *checks]
