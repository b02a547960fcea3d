"""What runs leave behind, written by hand: what the tests of seeing and mending hand around."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster.trivial_runs import run_of
from xstilts_hpc.cluster.submission import Submission, SubmittedArray
from xstilts_hpc.files import write_json
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder


def attempted(plan: Plan, root: Path, task: str, **record: Any) -> None:
    """Write the record of one more attempt at the run of a task."""
    folder = run_folder(root, run_of(plan, task))
    number = len(folder.attempts()) + 1
    start = {"attempt": number, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "error": ""}
    here = {"host": socket.gethostname(), "pid": os.getpid(), "job": {}, "ranks": 1}
    write_json(folder.provenance(number), {**start, **here, **record})


def complete(plan: Plan, root: Path, task: str) -> None:
    """Commit the run of a task."""
    planned = plan.runs[run_of(plan, task)]
    folder = run_folder(root, planned.run.id)
    folder.prepare(planned.run, planned.request)
    folder.commit({}, [], planned.request)


def submitted(
    plan: Plan, root: Path, packs: Sequence[Sequence[str]], *, job_id: str = "7", name: str = "", token: str = "1"
) -> Submission:
    """Write the record of a submission of one array, each element the runs of some tasks."""
    runs = tuple(tuple(run_of(plan, task) for task in pack) for pack in packs)
    array = SubmittedArray("intermediate", runs, -1, "", job_id, name)
    profile = {"schema": 1, "kind": "slurm", "time_min": 5, "name": "test"}
    folder = grid_folder(root, plan.name).submissions / token
    submission = Submission(folder, plan.name, root, profile, Machine(), (array,), f"2026-01-02T00:00:0{token}Z")
    submission.write()
    return submission
