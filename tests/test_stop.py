"""A run that is asked to stop saves, and goes on to the same logits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.tiny import grid_text
from tests.waiting import num_updates
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.logits import LABELS
from xstilts_hpc.run_folder import RunFolder, run_folder

GRID = {"intermediate": "[{task: none}]", "target": "{task: xnli}", "recipe_for": "{mnli: {epochs: 300}}"}


def prepare(root: Path) -> RunFolder:
    """Write a grid of one run of 450 updates; return the run's folder."""
    (root / "grid.yaml").write_text(grid_text(**GRID), encoding="utf-8")
    (run_id,) = expand(load_grid(root / "grid.yaml"), root=root).runs
    return run_folder(root, run_id)


def start(root: Path, run: RunFolder) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "xstilts_hpc.cli", "run", run.path.name, "--grid", str(root / "grid.yaml")]
    return subprocess.Popen(
        [*command, "--root", str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )


def wait_for_updates(run: RunFolder, number: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while num_updates(run) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finish(root: Path, run: RunFolder) -> dict[str, "np.ndarray"]:
    process = start(root, run)
    out, error = process.communicate(timeout=200)
    assert process.returncode == 0, out + error
    with h5py.File(run.logits("xnli")) as file:
        return {language: file[language]["logits"][()] for language in file.keys() - {LABELS}}


@pytest.mark.timeout(400)
def test_a_run_stopped_twice_ends_with_the_logits_of_one_left_alone(tiny_root: Path) -> None:
    run = prepare(tiny_root)
    alone = finish(tiny_root, run)
    history = run.history.read_text(encoding="utf-8")
    run.path.rename(tiny_root / "alone")
    for number, sign in ((20, signal.SIGTERM), (60, signal.SIGUSR2)):
        process = start(tiny_root, run)
        wait_for_updates(run, number, process)
        process.send_signal(sign)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 4
        assert f"was stopped by {sign.name} after update" in error
        assert "goes on from there" in error
        assert not run.done_json.exists()
    assert all((again == alone[code]).all() for code, again in finish(tiny_root, run).items())
    first, second, third = run.attempts()
    assert [attempt["cause"] for attempt in (first, second, third)] == ["cancelled", "requeued", "completed"]
    assert (first["from_step"], second["from_step"], third["from_step"]) == (0, first["to_step"], second["to_step"])
    assert 20 <= first["to_step"] < second["to_step"] < 450
    losses = [
        [line.split('"loss": ')[1].split(",")[0] for line in text.splitlines()]
        for text in (history, run.history.read_text())
    ]
    assert losses[0] == losses[1]
    assert not run.checkpoints.exists()
