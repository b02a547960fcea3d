"""On this machine as on Slurm: killed runs start again, Ctrl-C saves everything, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import grid_text
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.run_folder import CURRENT, RunFolder, run_folder

GRID = {"intermediate": "[{task: none}]", "target": "{task: xnli}", "recipe_for": "{mnli: {epochs: 200}}"}
UPDATES = 300

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def run(tiny_root: Path) -> RunFolder:
    """Return the folder of the one run of a grid, and write the grid and a profile of two ranks."""
    (tiny_root / "grid.yaml").write_text(grid_text(**GRID), encoding="utf-8")
    profile = "schema: 1\nkind: local\nranks: 2\nslots: 1\nzero_stage: 2\ncheckpoint_min: 0.01\nrequeue: {killed: 1}\n"
    (tiny_root / "two.yaml").write_text(profile, encoding="utf-8")
    (run_id,) = expand(load_grid(tiny_root / "grid.yaml"), root=tiny_root).runs
    return run_folder(tiny_root, run_id)


def begin(root: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "xstilts_hpc.cli", "submit", str(root / "grid.yaml"), "--root", str(root)]
    return subprocess.Popen(
        [*command, "--profile", str(root / "two.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ,
    )  # fmt: skip


def wait_for_updates(run: RunFolder, number: int, pool: "subprocess.Popen[str]", attempt: int = 1) -> dict[str, Any]:
    """Wait for an attempt to have made an update beyond a number; return its record."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert pool.poll() is None, pool.communicate()
        lines = run.history.read_text(encoding="utf-8").count("\n") if run.history.is_file() else 0
        if len(run.attempts()) == attempt and lines > number:
            return run.attempts()[-1]
        time.sleep(0.05)
    raise AssertionError(f"no {number} updates in attempt {attempt}")


def wait_for_checkpoint(run: RunFolder, pool: "subprocess.Popen[str]") -> None:
    """Wait for a whole checkpoint to be on disk: on a slow disk later than the updates before it."""
    while not (run.checkpoints / CURRENT).is_file():
        assert pool.poll() is None, pool.communicate()
        time.sleep(0.05)


def test_a_killed_rank_starts_again_and_ctrl_c_saves_what_the_same_command_goes_on_from(
    tiny_root: Path, run: RunFolder
) -> None:
    pool = begin(tiny_root)
    first = wait_for_updates(run, 30, pool)
    wait_for_checkpoint(run, pool)
    os.kill(first["pid"], signal.SIGKILL)
    second = wait_for_updates(run, 80, pool, attempt=2)
    assert run.attempts()[0]["decided"] == "starts again: killed, restart 1 of at most 1"
    pool.send_signal(signal.SIGINT)
    output, _ = pool.communicate(timeout=200)
    assert pool.returncode == 4
    assert "starts again: killed" in output and "interrupted" in output
    pool = begin(tiny_root)
    output, _ = pool.communicate(timeout=200)
    assert pool.returncode == 0, output
    attempts = run.attempts()
    assert [attempt["cause"] for attempt in attempts] == ["killed", "cancelled", "completed"]
    assert attempts[1]["from_step"] > 0
    assert attempts[2]["from_step"] == attempts[1]["to_step"] > second["attempt"]
    disturbed = run.scores()
    run.path.rename(tiny_root / "disturbed")
    pool = begin(tiny_root)
    output, _ = pool.communicate(timeout=200)
    assert pool.returncode == 0, output
    assert run.scores() == disturbed
    assert run.history.read_text(encoding="utf-8").count("\n") == UPDATES


def test_a_run_killed_more_often_than_its_budget_is_given_up(tiny_root: Path, run: RunFolder) -> None:
    pool = begin(tiny_root)
    for number in (1, 2):
        record = wait_for_updates(run, 5, pool, attempt=number)
        os.kill(record["pid"], signal.SIGKILL)
    output, _ = pool.communicate(timeout=200)
    assert pool.returncode == 4
    assert "given up: killed 2 times, at most 1 restarts within one submission" in output
    assert [attempt["cause"] for attempt in run.attempts()] == ["killed", "killed"]
