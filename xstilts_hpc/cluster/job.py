"""What an array element runs: read the submission's record, set the ranks' environment, execute one run."""

import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.submission import read_submission
from xstilts_hpc.errors import ClusterError, XstiltsError
from xstilts_hpc.train.stop import StoppedError

# What `call` returns for a run that stopped and is to be started again (EX_TEMPFAIL of sysexits.h).
AGAIN = 75
_FIRST_PORT, _NUM_PORTS = 20_000, 12_000  # below the ports that Linux gives out by itself


def run_element(submission: str, run_id: str) -> int:
    """Execute one run of a submission in this process, one of the run's ranks; return the exit code.

    `submission` is the path of submission.json. A failure a user can cause is written to standard error as one
    message; any other is raised.
    """
    record = read_submission(Path(submission))
    os.environ.update(rank_variables(os.environ))
    code = call(record.entry, record.root, run_id, record.machine)
    return requeue() if code == AGAIN else code


def collect_element(submission: str) -> int:
    """Collect what a submission's grid has so far; return the exit code."""
    record = read_submission(Path(submission))
    return call(record.collect, record.grid, record.root, allow_partial=True, console=Console())


def call(entry: str, *arguments: Any, **options: Any) -> int:
    """Call `module:function`; an error for the user becomes its message on standard error and its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        function_of(entry)(*arguments, **options)
    except XstiltsError as error:
        sys.stderr.write(f"{error}\n")
        return AGAIN if isinstance(error, StoppedError) and error.again else error.exit_code
    return 0


def requeue() -> int:
    """Ask Slurm to run this element again; return the exit code of this process.

    Only the main rank asks. The others leave with 0, since srun would end the main rank before it has asked.
    """
    if os.environ.get("SLURM_PROCID", "0") != "0":
        return 0
    try:
        slurm.answer(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]])
    except (ClusterError, KeyError) as error:
        sys.stderr.write(f"the run is saved but could not be requeued ({error}); submit its grid again\n")
        return ClusterError.exit_code
    return 0


def function_of(entry: str) -> Callable[..., Any]:
    """Return the function that `module:function` names, importing its module."""
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def rank_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of torch.distributed from those of Slurm, which always win; none outside srun.

    Slurm's CUDA_VISIBLE_DEVICES is left as it is: where devices are not renumbered per job, overwriting it by the
    local rank puts every job of a node on GPU 0 (SLURM.md 8.11).
    """
    if "SLURM_PROCID" not in environment:
        return {}
    num_ranks, num_nodes = int(environment["SLURM_NTASKS"]), int(environment.get("SLURM_JOB_NUM_NODES", "1"))
    first = first_host(environment["SLURM_JOB_NODELIST"]) if num_nodes > 1 else "127.0.0.1"
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": str(num_ranks),
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(num_ranks // num_nodes),
        "MASTER_ADDR": first,
        "MASTER_PORT": str(_FIRST_PORT + int(environment["SLURM_JOB_ID"]) % _NUM_PORTS),
    }


def first_host(nodes: str) -> str:
    """Return the first host of Slurm's compressed list: `n[07-09,12]-ib,m1` gives `n07-ib`."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first[0]) if first else nodes


def element(submission: str, run_id: str) -> None:
    """Run an element for submitit, which does not make an exit code of what a function returns."""
    logging.getLogger("submitit").propagate = False  # it has handlers of its own
    _leave(run_element(submission, run_id))


def collector(submission: str) -> None:
    """Run the collector for submitit."""
    _leave(collect_element(submission))


def _leave(code: int) -> None:
    if code:
        sys.exit(code)


def main(arguments: list[str]) -> int:
    """Run one element by hand: `python -m xstilts_hpc.cluster.job SUBMISSION_JSON RUN_ID`."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m xstilts_hpc.cluster.job SUBMISSION_JSON RUN_ID\n")
        return 2
    return run_element(*arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except XstiltsError as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(problem.exit_code)
