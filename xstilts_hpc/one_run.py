"""Execute one run in the user's own process."""

import logging
import pdb
import sys
from pathlib import Path

from xstilts_hpc.errors import RunError, nearest
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder


def find_run(beginning: str, root: Path, plan: Plan | None) -> str:
    """Return the id of the run that begins so, preparing its folder where a plan has it and nobody submitted it."""
    known = list(plan.runs) if plan else sorted(path.name for path in (root / "runs").glob("*") if path.is_dir())
    exact = [run_id for run_id in known if run_id == beginning or run_id.rpartition("-")[0] == beginning]
    matches = exact or [run_id for run_id in known if run_id.startswith(beginning)]
    if len(matches) > 1:
        raise RunError(f"{beginning!r} begins {len(matches)} runs: {', '.join(matches[:5])}; write more of the id")
    if not matches:
        where = f"grid {plan.name}" if plan else str(root / "runs")
        raise RunError(
            f"no run {beginning!r} in {where}; {nearest(beginning, known)}" if known else f"no runs in {where}"
        )
    (run_id,) = matches
    if plan:
        run_folder(root, run_id).prepare(plan.runs[run_id].run, plan.runs[run_id].request)
    return run_id


def execute_here(run_id: str, root: Path, machine: Machine, *, debug: bool) -> None:
    """Execute a run in this process, telling on standard error how far it is; with `debug` open pdb where it fails."""
    from xstilts_hpc.train.execute import execute

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("xstilts_hpc").setLevel(logging.INFO)
    try:
        execute(root, run_id, machine, alone=True)
    except Exception:
        if debug:
            pdb.post_mortem(sys.exc_info()[2])
        raise
