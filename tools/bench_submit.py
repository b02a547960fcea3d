#!/usr/bin/env python3
"""Measure submitting one array of trivial runs to the cluster that SLURM_CONF points to; print JSON.

Usage: tools/bench_submit.py [ELEMENTS] [--partition NAME]. The jobs are held, so nothing runs, and cancelled.
"""

import argparse
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.slurm_commands import cancel, elements_of
from xstilts_hpc.cluster.submit import submit
from xstilts_hpc.plan import Plan, PlannedRun, Stage
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Request, Run
from xstilts_hpc.training import training_on


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("elements", type=int, nargs="?", default=1000)
    parser.add_argument("--partition", default="", help="where to submit; default: the cluster's own")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="xs-bench-"))
    try:
        print(json.dumps(measure(folder, arguments.elements, arguments.partition)))
    finally:
        shutil.rmtree(folder)
    return 0


def measure(folder: Path, elements: int, partition: str) -> dict[str, float | int]:
    calls = count_sbatch(folder)
    profile = Profile.model_validate(
        {"schema": 1, "kind": "slurm", "partition": partition, "time_min": 1, "slurm": {"hold": True}}
    )
    start_s = time.perf_counter()
    submission = submit(trivial_plan(elements), folder / "root", profile)
    seconds = time.perf_counter() - start_s
    accepted = len(elements_of(array.job_id for array in submission.arrays))
    cancel(submission.job_ids)
    num_calls = len(calls.read_text(encoding="utf-8").splitlines())
    return {
        "elements": elements,
        "accepted": accepted,
        "arrays": len(submission.arrays),
        "sbatch_calls": num_calls,
        "seconds": round(seconds, 3),
    }


def count_sbatch(folder: Path) -> Path:
    """Put a wrapper before the real sbatch that notes each call; the last call is the collector's."""
    real = shutil.which("sbatch")
    if real is None:
        sys.exit("sbatch: no such command; run `tools/devcluster start` and set SLURM_CONF as it says")
    wrapper, calls = folder / "bin" / "sbatch", folder / "calls"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {real} "$@"\n', encoding="utf-8")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = f"{wrapper.parent}:{os.environ['PATH']}"
    return calls


def trivial_plan(elements: int) -> Plan:
    """Return a plan of runs without parents."""
    model = ModelSource(path="model", digest="0")
    runs = [Run(model, training_on("trivial", "0", train_seed=seed), Recipe()) for seed in range(elements)]
    planned = {run.id: PlannedRun(run, Stage.TARGET, Request(())) for run in runs}
    return Plan("bench", "How long does submitting take?", "data", planned, (), (), {}, "0")


if __name__ == "__main__":
    sys.exit(main())
