"""A grid of hundreds of logits files is collected with few descriptors."""

import os
import subprocess
import sys
from pathlib import Path

from tests.results.conftest import GridBuilder, sequence_logits
from xstilts_hpc.version import package_top

# The processes read 75 files each, more than they have descriptors; the scores that are kept are read by one.
NUM_RUNS, PROCESSES, DESCRIPTORS = 300, 4, 50
PROGRAM = f"import sys, xstilts_hpc; xstilts_hpc.collect('small', sys.argv[1], processes={PROCESSES})"


def collect(root: Path) -> bytes:
    """Collect the grid under the limit, and return its scores."""
    limited = ("sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh")
    command = [*limited, sys.executable, "-c", PROGRAM, str(root)]
    environment = {**os.environ, "PYTHONPATH": str(package_top())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return (root / "grids" / "small" / "scores.csv").read_bytes()


def test_hundreds_of_files_and_then_of_kept_scores_are_collected_with_few_descriptors(builder: GridBuilder) -> None:
    logits = {"xnli": {"en": sequence_logits(5)}}
    for seed in range(NUM_RUNS):
        builder.cell(builder.run("mnli", seed, logits), "xnli", seeds=(-1, -1, seed))
    builder.save()
    scores = collect(builder.root)
    assert scores.count(b"\n") == 1 + NUM_RUNS
    assert len(list((builder.root / "cache" / "scored").iterdir())) == NUM_RUNS
    assert collect(builder.root) == scores
