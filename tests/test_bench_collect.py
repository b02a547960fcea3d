"""tools/bench_collect.py: what it makes up can be collected, and each file is read once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"


@pytest.mark.parametrize(
    ("gather_s", "expected"), [(3.0, "gather (75%); of a file: read (60%)"), (0.5, "tables (67%)")]
)
def test_what_limits_a_collect_is_named(monkeypatch: pytest.MonkeyPatch, gather_s: float, expected: str) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from bench_collect_grid import limited_by  # a script beside the package

    assert limited_by({"gather": gather_s, "tables": 1.0}, {"read": 6.0, "score": 4.0}) == expected


def test_a_tiny_grid_and_a_tiny_evaluation_are_measured() -> None:
    sizes = {"fraction": "0.002", "runs": "5", "languages": "2", "examples": "10"}
    command = [sys.executable, "bench_collect.py", *(f"--{name}={value}" for name, value in sizes.items())]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=TOOLS, timeout=500, check=False)
    assert answer.returncode == 0, answer.stderr
    grid, evaluation = map(json.loads, answer.stdout.splitlines())
    collects = [grid[name] for name in ("new", "nothing_new", "hundredth_new")]
    # a row for each language and part of PAN-X's metric: precision, recall, F1
    assert [(one["files_read"], one["rows"]) for one in collects] == [(5, 30), (0, 30), (1, 30)]
    assert all(grid[name]["limited_by"].partition(" (")[0] in grid[name]["seconds"] for name in ("new", "nothing_new"))
    assert evaluation["ours_s"]["all"] > 0
