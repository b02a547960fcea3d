"""Submitting to a real Slurm, and the lock."""

import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.trivial_runs import COLLECT, ENTRY, FAMILY, FOLDER, done_tasks, make_plan, make_profile, run_of
from tests.waiting import wait_until
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.slurm_commands import elements_of
from xstilts_hpc.cluster.status import State, states
from xstilts_hpc.cluster.submission import Submission, read_submission, submissions
from xstilts_hpc.cluster.submit import Entry, submit
from xstilts_hpc.errors import ClusterError, ProfileError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.plan import Plan, load_plan


def test_local_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="of kind local; submit needs one of kind slurm"):
        submit(make_plan({}, ["a"]), tmp_path, make_profile(kind="local"))


def test_absent_slurm_is_a_cluster_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"sinfo: no such command.*tools/devcluster start"):
        submit(make_plan({}, ["a"]), tmp_path / "root", make_profile())
    assert not (tmp_path / "root").exists()


@pytest.fixture
def entry_path(devcluster: DevCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))


def what_is_there(root: Path) -> list[Path]:
    """List the root but for snapshots of code and remembered facts, which the next submission uses."""
    return sorted(path for path in root.rglob("*") if path.relative_to(root).parts[0] not in ("code", "cache"))


def hand_over(plan: Plan, root: Path, profile: Profile | None = None) -> Submission:
    return submit(plan, root, profile or make_profile(), entry=Entry(ENTRY, COLLECT))


def wait_for_end(submission: Submission) -> dict[str, str]:
    """Wait until no job of the submission is queued or running, and return Slurm's last words."""

    def words() -> dict[str, str]:
        return elements_of(submission.job_ids)

    going_on = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}
    wait_until(lambda: not going_on & set(words().values()), f"the end of {submission.job_ids}")
    return words()


def done_by_task(root: Path) -> dict[str, dict[str, Any]]:
    return {done["task"]: done for done in done_tasks(root)}


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_each_child_waits_only_for_its_own_parent(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1", "b2"], "c": ["c1", "c2"]}, ["none"])
    write_json(tmp_path / "orders.json", {"after": {"a": ["c1", "c2"]}, "fail": ["b"]})
    submission = hand_over(plan, tmp_path)
    wait_for_end(submission)
    done = done_by_task(tmp_path)
    assert set(done) == {"a", "b", "c", "none", "a1", "a2", "c1", "c2"}
    assert max(done["c1"]["start"], done["c2"]["start"]) < done["a"]["end"] < done["a1"]["start"]
    assert plan.done(tmp_path) == {run_of(plan, task) for task in set(done) - {"b"}}
    found = states(plan, tmp_path)
    assert {task: found[run_of(plan, task)] for task in ("a", "b", "b1", "b2")} == {
        "a": State.COMPLETED, "b": State.FAILED, "b1": State.BLOCKED, "b2": State.BLOCKED,
    }  # fmt: skip
    collected = read_json(tmp_path / "collected.json")
    done_runs = sorted(plan.done(tmp_path))
    assert collected == {"name": "small", "allow_partial": True, "done": done_runs, "states": found}
    log = submission.log(run_of(plan, "b")).read_text(encoding="utf-8")
    assert "a line of output" in log and "b fails\nas ordered" in log


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_second_submit_submits_only_what_is_missing(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]}, ["none"])
    write_json(tmp_path / "orders.json", {"hold": ["a"], "fail": ["none"]})
    first = hand_over(plan, tmp_path)
    assert load_plan(tmp_path / "grids/small/plan.json").runs == plan.runs
    while run_of(plan, "none") not in {path.parent.parent.name for path in tmp_path.glob("runs/*/provenance/1.json")}:
        time.sleep(0.1)
    while states(plan, tmp_path)[run_of(plan, "none")] != State.FAILED:
        time.sleep(0.1)
    second = hand_over(plan, tmp_path)
    assert second.runs == (run_of(plan, "none"),)
    assert set(second.queued) == {run_of(plan, "a"), run_of(plan, "a1")}
    write_json(tmp_path / "orders.json", {})
    (tmp_path / "go").touch()
    wait_for_end(first)
    wait_for_end(second)
    last = hand_over(plan, tmp_path)
    if last.runs:  # the second try may have read the old orders
        wait_for_end(last)
        last = hand_over(plan, tmp_path)
    assert (last.runs, last.job_ids, set(last.done)) == ((), (), set(plan.runs))
    assert not last.folder.exists()


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_single_parent_with_a_single_child(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]})
    submission = hand_over(plan, tmp_path)
    wait_for_end(submission)
    parent, child = submission.arrays
    assert child.dependency == f"afterok:{parent.job_id}"
    assert plan.done(tmp_path) == set(plan.runs)
    assert submission.log(child.runs[0]).is_file()


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_more_arrays_than_may_run_at_once_follow_each_other(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1", "b2"]})
    submission = hand_over(plan, tmp_path, make_profile(max_parallel=2))
    wait_for_end(submission)
    parents, _, last = submission.arrays
    assert last.dependency == f"aftercorr:{parents.job_id},afterany:{parents.job_id}"
    assert plan.done(tmp_path) == set(plan.runs)


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_ranks_of_two_nodes_know_each_other(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b"])
    profile = make_profile(nodes=2, ranks=4, cpus_per_rank=2, environment={"GREETING": "it's $HOME"})
    wait_for_end(hand_over(plan, tmp_path, profile))
    lines = done_tasks(tmp_path)
    ranks = sorted((line["RANK"], line["LOCAL_RANK"], line["WORLD_SIZE"]) for line in lines if line["task"] == "a")
    assert ranks == [("0", "0", "4"), ("1", "1", "4"), ("2", "0", "4"), ("3", "1", "4")]
    environment = lines[0]["environment"]
    assert lines[0]["MASTER_ADDR"] == "0x7f000001"
    assert (environment["GREETING"], environment["SLURM_CPUS_PER_TASK"]) == ("it's $HOME", "2")
    assert plan.done(tmp_path) == set(plan.runs)


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_variables_of_an_enclosing_job_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enclosing = {
        "SLURM_JOB_ID": "1", "SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "0", "SLURM_MEM_PER_NODE": "7",
        "SLURM_MEM_PER_CPU": "7", "SBATCH_PARTITION": "nowhere", "RANK": "3", "SBATCH_EXPORT": "NONE",
    }  # fmt: skip
    for name, value in enclosing.items():
        monkeypatch.setenv(name, value)
    plan = make_plan({}, ["a"])
    wait_for_end(hand_over(plan, tmp_path))
    assert plan.done(tmp_path) == set(plan.runs)
    assert {name: os.environ[name] for name in enclosing} == enclosing


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_unknown_partition_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"no partition 'gpus'; did you mean 'gpu'\?"):
        hand_over(make_plan({"a": ["a1"]}), tmp_path / "root", make_profile(partition="gpus"))
    assert not (tmp_path / "root").exists()


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
@pytest.mark.parametrize("bad", [{"constraint": "h900"}, {"slurm": {"begin": "never"}}])
def test_refused_sbatch_leaves_nothing(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ClusterError, match=r"sbatch refused: .*(feature|begin|time)"):
        hand_over(make_plan({"a": ["a1"]}), tmp_path / "root", make_profile(**bad))
    assert what_is_there(tmp_path / "root") == []


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_refusal_midway_takes_back_what_was_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    old = make_plan({}, ["old"])
    wait_for_end(hand_over(old, root))
    before = what_is_there(root)
    wrap_sbatch(
        tmp_path, monkeypatch, 'test "$(wc -l < "$CALLS")" -lt 2 || { echo "sbatch: error: enough" >&2; exit 1; }'
    )
    with pytest.raises(ClusterError, match="sbatch refused: enough\nnothing was left"):
        hand_over(make_plan({"a": ["a1"], "b": ["b1"]}, ["old"]), root, make_profile(slurm={"begin": "now+1hour"}))
    assert what_is_there(root) == before
    assert load_plan(root / "grids/small/plan.json") == old
    queued = subprocess.run(["squeue", "-h", "-o", "%j"], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in queued if name.startswith("xs-small-intermediate")] == []


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_dry_run_changes_nothing(tmp_path: Path) -> None:
    plan = make_plan(FAMILY)
    planned = submit(plan, tmp_path / "root", make_profile(), dry_run=True)
    assert set(planned.runs) == set(plan.runs) and planned.job_ids == ()
    assert not (tmp_path / "root").exists()


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_run_queued_by_another_grid_is_not_submitted_again(tmp_path: Path) -> None:
    hold = make_profile(slurm={"hold": True})
    first = hand_over(make_plan({"a": ["a1"]}, name="one"), tmp_path, hold)
    other = make_plan({"a": ["a1", "a2"]}, name="two")
    second = hand_over(other, tmp_path, hold)
    assert second.runs == (run_of(other, "a2"),)
    assert second.arrays[0].dependency == f"afterok:{first.arrays[0].job_id}"
    assert states(other, tmp_path)[run_of(other, "a")] == State.SUBMITTED
    assert [found.grid for found in submissions(tmp_path)] == ["one", "two"]
    subprocess.run(["scancel", *first.job_ids, *second.job_ids], check=True)


def wrap_sbatch(folder: Path, monkeypatch: pytest.MonkeyPatch, before: str = "true") -> Callable[[], int]:
    """Put a wrapper that counts calls before the real sbatch."""
    real = subprocess.run(["which", "sbatch"], capture_output=True, text=True, check=True).stdout.strip()
    wrapper, calls = folder / "bin" / "sbatch", folder / "calls"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\nCALLS={calls}\necho "$@" >> "$CALLS"\n{before}\nexec {real} "$@"\n', encoding="utf-8"
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return lambda: len(calls.read_text(encoding="utf-8").splitlines())


@pytest.mark.slurm
@pytest.mark.usefixtures("entry_path")
def test_thousand_elements_take_one_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan({}, [f"t{i}" for i in range(1000)])
    calls = wrap_sbatch(tmp_path, monkeypatch)
    submission = hand_over(plan, tmp_path / "root", make_profile(slurm={"hold": True}))
    (array,) = submission.arrays
    assert calls() == 2  # the array and the collector
    assert len(elements_of([array.job_id])) == 1000
    assert read_submission(submission.json).arrays == submission.arrays
    subprocess.run(["scancel", *submission.job_ids], check=True)
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file() and "code" not in path.parts]
    assert len(files) <= 3 * 1000  # how long it takes measures tools/bench_submit.py
