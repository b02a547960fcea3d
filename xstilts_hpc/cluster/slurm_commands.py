"""The few commands of Slurm that are asked for facts; each is called once, with a time limit."""

import getpass
import subprocess
from collections.abc import Iterable, Sequence

from xstilts_hpc.errors import ClusterError

_REMEDY = "check that Slurm answers here (`sinfo`); to try things on this machine run `tools/devcluster start`"
_MOST_IDS = 1_000
# What squeue says of an element that will run, runs, or will run again; every other word is an end.
PENDING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
RUNNING = {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}


def ask(command: Sequence[str], *, timeout_s: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm; ClusterError where it is not there or does not answer in time."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]}: no such command, so Slurm is not installed here; {_REMEDY}") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{command[0]} gave no answer in {timeout_s:g} s; {_REMEDY}") from None


def answer(command: Sequence[str], *, timeout_s: float = 20.0) -> str:
    """Return what a command of Slurm prints; ClusterError with its own text where it fails."""
    done = ask(command, timeout_s=timeout_s)
    if done.returncode:
        raise ClusterError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}; {_REMEDY}")
    return done.stdout


def partitions() -> list[str]:
    """Return the names of the cluster's partitions."""
    return sorted(set(answer(["sinfo", "--all", "-h", "-o", "%R"]).split()))


def accounts() -> list[str]:
    """Return the accounts this user may charge; none where the cluster keeps no accounts."""
    user = getpass.getuser()
    try:
        done = ask(["sacctmgr", "-n", "-P", "show", "associations", f"user={user}", "format=account"])
    except ClusterError:
        return []
    return sorted(set(done.stdout.split())) if done.returncode == 0 else []


def jobs_named(names: Iterable[str]) -> dict[str, str]:
    """Return what leads from a job's name to its main id, for jobs that Slurm still knows, from one call of squeue."""
    rows = answer(["squeue", "-h", "-t", "all", "--name", ",".join(sorted(names)), "-o", "%F|%j"]).splitlines()
    return {name.strip(): job_id.strip() for job_id, _, name in (row.partition("|") for row in rows)}


def elements_of(job_ids: Iterable[str], *, timeout_s: float = 20.0) -> dict[str, str]:
    """Return Slurm's word for every element of some jobs that it still knows, from one call of squeue."""
    ids = ",".join(sorted(set(job_ids)))
    if not ids:
        return {}
    done = ask(["squeue", "-h", "-r", "-t", "all", "-j", ids, "-o", "%i|%T"], timeout_s=timeout_s)
    if done.returncode and "Invalid job id" not in done.stderr:
        raise ClusterError(f"squeue failed: {done.stderr.strip()}; {_REMEDY}")
    rows = (line.split("|") for line in done.stdout.splitlines() if line.count("|") == 1)
    return {element.strip(): word.strip() for element, word in rows}


def cancel(job_ids: Sequence[str]) -> None:
    """Cancel jobs, whole arrays by their main ids or single elements."""
    _scancel([], job_ids)


def send(signal: str, job_ids: Sequence[str]) -> None:
    """Send a signal to the processes of running jobs or elements, and to nothing else."""
    _scancel([f"--signal={signal}"], job_ids)


def _scancel(options: Sequence[str], job_ids: Sequence[str]) -> None:
    """Call scancel for so many jobs at a time as fit a command line."""
    for start in range(0, len(job_ids), _MOST_IDS):
        answer(["scancel", *options, *job_ids[start : start + _MOST_IDS]])
