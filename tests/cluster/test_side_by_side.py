"""Several runs of one element at once: as one after another, but sooner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.test_end_to_end import wait_for, xstilts
from tests.cluster.test_job import make_submission
from tests.cluster.trivial_runs import FOLDER, done_tasks, make_plan, run_of
from tests.tiny import grid_text
from tests.waiting import wait_for_causes, wait_for_updates, wait_until
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.submission import EXECUTE, Submission, submissions
from xstilts_hpc.files import write_json
from xstilts_hpc.grid import load_grid
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder

CHECKOUT = FOLDER.parent.parent
LONG = {"intermediate": "[{task: none}]", "target": "{task: xnli}", "seeds": "{data: [0], train: [0], target: [0, 1]}"}


def element(root: Path, plan: Plan, pack: Sequence[str], **keys: Any) -> Submission:
    """Write the record of a submission of one element that executes two runs at once."""
    submission = make_submission(root, plan)
    array = replace(submission.arrays[0], packs=(tuple(pack),))
    found = replace(submission, arrays=(array,), **{"machine": Machine(threads=4, runs_per_gpu=2), **keys})
    found.write()
    return found


def start(submission: Submission, **variables: str) -> subprocess.Popen[str]:
    """Start the element as Slurm does, USR1 and USR2 blocked until a run listens."""
    guard = [sys.executable, "-S", str(CHECKOUT / "xstilts_hpc" / "cluster" / "guard.py")]
    command = [*guard, sys.executable, "-m", "xstilts_hpc.cluster.job", str(submission.json), "0"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "PYTHONPATH": f"{FOLDER}:{CHECKOUT}", "DS_ACCELERATOR": "cpu", **variables}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def ended(process: subprocess.Popen[str], seconds: float = 60) -> tuple[int, str]:
    _, said = process.communicate(timeout=seconds)
    return process.returncode, said


def spans(root: Path) -> dict[str, tuple[float, float]]:
    """Return from when to when each run went, by its task."""
    return {row["task"]: (row["start"], row["end"]) for row in done_tasks(root)}


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def test_two_of_four_runs_go_at_a_time_with_half_of_the_threads(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b", "c", "d"])
    write_json(tmp_path / "orders.json", {"meet": ["a", "b"]})
    assert ended(start(element(tmp_path, plan, list(plan.runs))))[0] == 0
    assert plan.done(tmp_path) == set(plan.runs)
    times = spans(tmp_path).values()
    assert max(sum(begin <= moment < end for begin, end in times) for moment, _ in times) == 2
    assert {row["threads"] for row in done_tasks(tmp_path)} == {2}


def test_a_child_waits_for_its_parent_and_falls_with_it_alone(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"], "b": ["b1"]}, ["x"])
    write_json(tmp_path / "orders.json", {"after": {"a": ["x"]}, "fail": ["b"]})
    pack = [run_of(plan, task) for task in ("b", "b1", "a", "a1", "x")]
    code, said = ended(start(element(tmp_path, plan, pack)))
    assert code == 4
    assert f"run {pack[1]} is passed over: its parent {pack[0]} is not done" in said
    assert plan.done(tmp_path) == set(pack[2:])
    times = spans(tmp_path)
    assert times["a1"][0] >= times["a"][1] > times["x"][0]


def test_a_killed_run_does_not_end_its_neighbour(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b", "c"])
    write_json(tmp_path / "orders.json", {"sleep": {"a": 60}, "hold": ["b"]})
    process = start(element(tmp_path, plan, list(plan.runs)))
    wait_until(lambda: len(children(process.pid)) == 2, "two runs at once")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    (tmp_path / "go").touch()
    assert ended(process)[0] == 128 + signal.SIGKILL
    assert plan.done(tmp_path) == {run_of(plan, "b"), run_of(plan, "c")}


def test_runs_end_with_their_element(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b"])
    write_json(tmp_path / "orders.json", {"sleep": {"a": 60, "b": 60}})
    process = start(element(tmp_path, plan, list(plan.runs)))
    wait_until(lambda: len(children(process.pid)) == 2, "two runs at once")
    time.sleep(0.5)
    runs = children(process.pid)
    process.kill()
    ended(process)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in runs), "the end of both runs")


def long_runs(root: Path, name: str) -> Plan:
    """Return the plan of two runs of 150 real updates."""
    from xstilts_hpc.expand import expand

    (root / f"{name}.yaml").write_text(
        grid_text(**LONG, name=name, recipe_for="{mnli: {epochs: 100}}"), encoding="utf-8"
    )
    return expand(load_grid(root / f"{name}.yaml"), root=root)


@pytest.mark.timeout(600)
def test_a_signal_stops_both_runs_and_they_go_on_to_the_same_scores(tiny_root: Path) -> None:
    plan = long_runs(tiny_root, "two")
    runs = [run_folder(tiny_root, run_id) for run_id in plan.runs]
    machine = Machine(zero_stage=0, threads=2, runs_per_gpu=2)
    both = element(tiny_root, plan, list(plan.runs), entry=EXECUTE, machine=machine)
    job = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "0"}
    process = start(both, **job)
    for run in runs:
        wait_for_updates(run, 5)
    process.send_signal(signal.SIGUSR2)
    code, said = ended(process, 120)
    assert code == 4, said  # there is no Slurm to ask for another start
    assert said.count("was stopped by SIGUSR2 after update") == 2
    assert [[attempt["cause"] for attempt in run.attempts()] for run in runs] == [["requeued"], ["requeued"]]
    code, said = ended(start(both, **{**job, "SLURM_RESTART_COUNT": "1"}), 300)
    assert code == 0, said
    for run in runs:
        first, second = run.attempts()
        assert (second["cause"], second.get("from_step", first["to_step"])) == ("completed", first["to_step"])
        assert second["machine"]["threads"] == 1
    scores = [run.scores() for run in runs]
    for run in runs:
        run.path.rename(tiny_root / run.path.name)
    alone = element(tiny_root, plan, list(plan.runs), entry=EXECUTE, machine=Machine(zero_stage=0, threads=1))
    assert ended(start(alone), 300)[0] == 0
    assert [run.scores() for run in runs] == scores


@pytest.mark.slurm
@pytest.mark.timeout(600)
def test_slurm_stops_and_requeues_both_runs_of_an_element(tiny_root: Path, devcluster: DevCluster) -> None:
    long_runs(tiny_root, "two")
    text = (CHECKOUT / "slurm" / "profiles" / "devcluster.yaml").read_text(encoding="utf-8")
    profile = tiny_root / "two_at_once.yaml"
    profile.write_text(text.replace("ranks: 2", "ranks: 1\nruns_per_gpu: 2"), encoding="utf-8")
    answer = xstilts("submit", str(tiny_root / "two.yaml"), "--profile", str(profile), "--root", str(tiny_root))
    assert answer.returncode == 0, answer.stderr
    elements = submissions(tiny_root)[-1].elements
    assert len(set(elements.values())) == 1
    runs = [run_folder(tiny_root, run_id) for run_id in elements]
    for run in runs:
        wait_for_updates(run, 20)
    subprocess.run(["scancel", "--signal=USR2", *set(elements.values())], check=True, timeout=30)
    for run in runs:
        wait_for(run.done_json, tiny_root, 400)
        wait_for_causes(run, ["requeued", "completed"])
        first, second = run.attempts()
        # One that had done its training says from no step that it went on.
        from_step = second.get("from_step", first["to_step"])
        assert from_step == first["to_step"]
