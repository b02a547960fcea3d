"""A grid file becomes an accuracy table through a real Slurm: arrays, two ranks, ZeRO-2, the collector last."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.tiny import grid_text
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.run_folder import run_folder

CHECKOUT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.slurm


def xstilts(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xstilts_hpc.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=120, check=False)


def wait_for(path: Path, root: Path, seconds: float) -> None:
    """Wait for a file that a job writes last; a failure shows what the jobs said."""
    deadline = time.monotonic() + seconds
    while not path.is_file():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in root.rglob("*log.err"))
            pytest.fail(f"{path} is not there after {seconds} s\n{logs}")
        time.sleep(0.5)


def test_a_submitted_grid_ends_with_scores_and_a_report(tiny_root: Path, devcluster: DevCluster) -> None:
    grid = tiny_root / "tiny.yaml"
    targets = {"target": "{task: [xnli, tatoeba]}", "intermediate": "[{task: none}, {task: mnli, size: 4}]"}
    grid.write_text(grid_text(**targets, recipe_for="{mnli: {epochs: 2}}"), encoding="utf-8")
    answer = xstilts("submit", str(grid), "--profile", "devcluster", "--root", str(tiny_root))
    assert answer.returncode == 0, answer.stderr
    assert "submitted" in answer.stdout
    folder = tiny_root / "grids" / "tiny"
    wait_for(folder / "report.html", tiny_root, 400)
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    assert set(scores.intermediate) == {"none", "mnli"}
    assert set(scores[scores.target == "xnli"].language) == {"de", "en", "sw"}
    for path in (tiny_root / "runs").iterdir():
        (attempt,) = run_folder(tiny_root, path.name).attempts()
        assert (attempt["ranks"], attempt["machine"]["zero_stage"], attempt["cause"]) == (2, 2, "completed")
    assert (
        "every run is done or queued"
        in xstilts("submit", str(grid), "-p", "devcluster", "--root", str(tiny_root)).stdout
    )


def test_a_batch_job_submits_a_grid_as_the_command_does(tiny_root: Path, devcluster: DevCluster) -> None:
    grid = tiny_root / "tiny.yaml"
    grid.write_text(grid_text(intermediate="[{task: none}]", target="{task: tatoeba}"), encoding="utf-8")
    script = ["slurm/submit.sbatch", str(grid), "devcluster", "--root", str(tiny_root)]
    output = tiny_root / "submit.out"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["sbatch", "--wait", "--time=5", f"--output={output}", *script]
    subprocess.run(command, check=True, cwd=CHECKOUT, env=environment, timeout=120)
    assert "submitted" in output.read_text()
    wait_for(tiny_root / "grids" / "tiny" / "report.html", tiny_root, 200)
    (run,) = (tiny_root / "runs").iterdir()
    assert set(run_folder(tiny_root, run.name).scores()) == {"tatoeba"}


def test_an_unknown_partition_is_refused_and_nothing_is_left_behind(tiny_root: Path, devcluster: DevCluster) -> None:
    grid, profile = tiny_root / "tiny.yaml", tiny_root / "wrong.yaml"
    grid.write_text(grid_text(), encoding="utf-8")
    profile.write_text("schema: 1\nkind: slurm\npartition: gqu\ntime_min: 5\n", encoding="utf-8")
    answer = xstilts("submit", str(grid), "--profile", str(profile), "--root", str(tiny_root))
    assert answer.returncode == 5
    assert "no partition 'gqu'; did you mean 'gpu'" in answer.stderr
    assert not (tiny_root / "runs").exists()
