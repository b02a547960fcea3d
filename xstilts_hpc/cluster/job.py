"""What an array element runs: read the submission's record, set the ranks' environment, execute one run."""

import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from xstilts_hpc.cluster.life import BEGINS, Element, Life
from xstilts_hpc.cluster.submission import COLLECTOR, trusted_submission
from xstilts_hpc.ending import end_with
from xstilts_hpc.errors import RunError, XstiltsError
from xstilts_hpc.train.stop import StoppedError

logger = logging.getLogger(__name__)

# What `call` returns for a run that saved and stopped because it was asked to (EX_TEMPFAIL of sysexits.h).
STOPPED = 75
_REQUEUED = -1
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FIRST_PORT, _NUM_PORTS = 20_000, 12_000  # below the ports that Linux gives out by itself


def run_element(submission: Path, number: int) -> int:
    """Execute the runs of an element of an array in this process, one of their ranks; return the exit code.

    Where the profile has several runs share a GPU, this process forks them instead, and waits.

    `submission` is the path of submission.json; Slurm's variables say which element this is. A failure a user can
    cause is written to standard error as one message; any other is raised. A run that an earlier start of the element
    gave up is passed over, so is one whose parent in the same pack is not done.
    """
    record = trusted_submission(submission)
    os.environ.update(rank_variables(os.environ))
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    element_here, code = Element.here(), 0
    run_ids = record.arrays[number].packs[int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))]
    logger.info("%s %s", BEGINS, element_here.restarts)
    if record.machine.runs_per_gpu > 1:
        from xstilts_hpc.cluster.side_by_side import how_many, run_side_by_side  # forks, which few elements need

        runs = [Life.of(record, run_id, element_here).folder.run() for run_id in run_ids]
        at_once = how_many(record.root, runs, record.machine)
        if at_once > 1:
            return run_side_by_side(record, run_ids, at_once)
        record = replace(record, machine=replace(record.machine, runs_per_gpu=1))
    # Ranks of several nodes may see each other's files late: what this start did itself is known without looking.
    done = {run_id for run_id in run_ids if Life.of(record, run_id, element_here).is_done()}
    for run_id in run_ids:
        life = Life.of(record, run_id, element_here)
        parent = life.folder.run().parent
        if run_id not in done and (life.is_over() or (parent in run_ids and parent not in done)):
            why = "an earlier start gave it up" if life.is_over() else f"its parent {parent} is not done"
            sys.stderr.write(f"run {run_id} is passed over: {why}\n")
            code = RunError.exit_code
        else:
            ended = _execute(life, run_id)
            if ended:
                return ended if ended != _REQUEUED else 0
            done.add(run_id)
    return code


def _execute(life: Life, run_id: str) -> int:
    """Execute one run; the main rank finds out why it ended, and asks Slurm for another start where that follows."""
    is_main = os.environ.get("RANK", "0") == "0"
    if is_main and not life.is_done():
        before = life.close_lost()
        if not before.again:
            sys.stderr.write(f"run {run_id} is not started again: {before.text}\n")
            return RunError.exit_code
    code = call(life.submission.entry, life.submission.root, run_id, life.submission.machine)
    if not is_main:
        # the main rank is still finding out; a bad code here would have srun end it
        return _REQUEUED if code == STOPPED else code
    if code == STOPPED:
        again = life.settle().again
        if again and not life.element.requeue():
            life.will_not_start()
        return _REQUEUED if again else RunError.exit_code
    return code


def collect_element(submission: Path) -> int:
    """Submit what the limits left for the next wave, and collect what there is so far; return the exit code."""
    from xstilts_hpc.cluster.status import states  # tables and the queue, which no element needs

    record = trusted_submission(submission)
    if record.later:
        from xstilts_hpc.cluster.next_wave import submit_next_wave  # submitit, which no element needs

        sys.stderr.write(f"{submit_next_wave(record)}\n")
    return call(record.collect, record.grid, record.root, allow_partial=True, console=Console(), states=states)


def call(entry: str, *arguments: Any, silent: tuple[type[XstiltsError], ...] = (), **options: Any) -> int:
    """Call `module:function`; an error for the user becomes its message on standard error and its exit code.

    Errors of the types `silent` are left without their message.
    """
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    try:
        function_of(entry)(*arguments, **options)
    except StoppedError as error:
        sys.stderr.write(f"{error}\n")
        return STOPPED
    except XstiltsError as error:
        if not isinstance(error, silent):
            sys.stderr.write(f"{error}\n")
        return error.exit_code
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


def main(arguments: list[str]) -> int:
    """Run an element or the collector: `python -m xstilts_hpc.cluster.job SUBMISSION_JSON ARRAY_NUMBER|collect`."""
    if len(arguments) != 2 or not (arguments[1] == COLLECTOR or arguments[1].isdigit()):
        sys.stderr.write(f"usage: python -m xstilts_hpc.cluster.job SUBMISSION_JSON ARRAY_NUMBER|{COLLECTOR}\n")
        return 2
    path = Path(arguments[0])
    return collect_element(path) if arguments[1] == COLLECTOR else run_element(path, int(arguments[1]))


if __name__ == "__main__":
    end_with(main, sys.argv[1:])
