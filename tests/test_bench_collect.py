"""tools/bench_collect.py: what it makes up can be collected, and each file is read once."""

import json
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def test_a_tiny_grid_and_a_tiny_evaluation_are_measured() -> None:
    sizes = {"fraction": "0.002", "runs": "5", "languages": "2", "examples": "10"}
    command = [sys.executable, "bench_collect.py", *(f"--{name}={value}" for name, value in sizes.items())]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=TOOLS, timeout=500, check=False)
    assert answer.returncode == 0, answer.stderr
    grid, evaluation = map(json.loads, answer.stdout.splitlines())
    collects = [grid[name] for name in ("new", "nothing_new", "hundredth_new")]
    # a row for each language and part of PAN-X's metric: precision, recall, F1
    assert [(one["files_read"], one["rows"]) for one in collects] == [(5, 30), (0, 30), (1, 30)]
    assert evaluation["ours_s"]["all"] > 0
