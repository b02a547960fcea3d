"""What Slurm and submitit do that a stub would not show, and that nothing here falls for: on the real Slurm."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.faults.strike import is_deaf, ranks
from tests.cluster.test_end_to_end import CHECKOUT
from tests.cluster.test_submit import hand_over, wait_for_end
from tests.cluster.trivial_runs import FOLDER, done_tasks, make_plan, make_profile, run_of
from tests.waiting import wait_until
from xstilts_hpc.cluster.cancel import cancel
from xstilts_hpc.cluster.devcluster import ClusterSettings, DevCluster
from xstilts_hpc.cluster.slurm_commands import elements_of
from xstilts_hpc.cluster.status import State, states
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import write_json
from xstilts_hpc.plan import Plan

pytestmark = pytest.mark.slurm


@pytest.fixture(autouse=True)
def entry_path(devcluster: DevCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def words(submission: Submission, plan: Plan, task: str) -> str:
    """Return Slurm's word for the element of a task's run."""
    return elements_of(submission.job_ids).get(submission.elements[run_of(plan, task)], "")


def counted(folder: Path, monkeypatch: pytest.MonkeyPatch, *commands: str) -> Callable[[], list[str]]:
    """Put commands on the PATH that write down their calls; return what tells them."""
    folder.mkdir()
    for command in commands:
        path = folder / command
        path.write_text(f'#!/bin/sh\necho {command} >> {folder}/calls\nexec {shutil.which(command)} "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    calls = folder / "calls"
    return lambda: calls.read_text().split() if calls.is_file() else []


def test_an_element_cancelled_before_it_started_is_not_waited_for(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b"])
    submission = hand_over(plan, tmp_path, make_profile(slurm={"hold": True}))
    slurm("scancel", submission.elements[run_of(plan, "a")])
    assert words(submission, plan, "a") in ("", "CANCELLED")
    assert states(plan, tmp_path) == {run_of(plan, "a"): State.ELIGIBLE, run_of(plan, "b"): State.SUBMITTED}
    slurm("scancel", *submission.job_ids)
    wait_for_end(submission)
    assert set(states(plan, tmp_path).values()) == {State.ELIGIBLE}


def test_a_suspended_element_has_not_ended(tmp_path: Path) -> None:
    plan = make_plan({}, ["a"])
    write_json(tmp_path / "orders.json", {"sleep": {"a": 8}})
    submission = hand_over(plan, tmp_path)
    wait_until(lambda: words(submission, plan, "a") == "RUNNING", "a run")
    element = submission.elements[run_of(plan, "a")]
    time.sleep(3)  # a step that is still being launched when its job is suspended is lost to Slurm, not to us
    slurm("scontrol", "suspend", element)
    assert words(submission, plan, "a") == "SUSPENDED"
    assert states(plan, tmp_path) == {run_of(plan, "a"): State.RUNNING}
    slurm("scontrol", "resume", element)
    wait_for_end(submission)
    assert states(plan, tmp_path) == {run_of(plan, "a"): State.COMPLETED}


def test_a_child_whose_forgotten_parent_counts_as_fulfilled_does_not_run(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]})
    write_json(tmp_path / "orders.json", {"fail": ["a"]})
    submission = hand_over(plan, tmp_path)
    wait_for_end(submission)
    (number,) = (n for n, array in enumerate(submission.arrays) if run_of(plan, "a1") in array.runs)
    element = f"srun -n1 {sys.executable} -m xstilts_hpc.cluster.job {submission.json} {number}"
    wrap = f"--wrap=export PYTHONPATH={submission.code}:$PYTHONPATH; {element}"
    nowhere = ["--dependency=afterok:67000000", "--wait", f"--output={tmp_path}/child.out"]
    done = subprocess.run(["sbatch", *nowhere, wrap], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == RunError.exit_code, done.stderr
    assert f"parent {run_of(plan, 'a')} is not done" in (tmp_path / "child.out").read_text()
    assert states(plan, tmp_path)[run_of(plan, "a1")] == State.BLOCKED


def test_the_hook_of_the_batch_script_hides_no_failure(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"]}, ["b"])
    write_json(tmp_path / "orders.json", {"fail": ["a"]})
    submission = hand_over(plan, tmp_path)
    wait_for_end(submission)
    assert words(submission, plan, "a") == "FAILED"
    assert words(submission, plan, "b") == "COMPLETED"
    said = slurm("scontrol", "show", "job", submission.elements[run_of(plan, "a")])
    assert f"ExitCode={RunError.exit_code}:0" in said
    assert not (tmp_path / "runs" / run_of(plan, "a1") / "DONE.json").exists()


def test_two_elements_on_one_node_see_the_devices_that_slurm_gave_them(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b", "c", "d"])
    write_json(tmp_path / "orders.json", {"meet": list("abcd")})
    one_gpu = {"gpus_per_node": 1, "gpu_request": "gpus-per-node", "slurm": {"nodelist": "0x7f000001"}}
    wait_for_end(hand_over(plan, tmp_path, make_profile(**one_gpu)))
    lines = done_tasks(tmp_path)
    assert max(line["start"] for line in lines) < min(line["end"] for line in lines)
    assert sorted(line["environment"]["CUDA_VISIBLE_DEVICES"] for line in lines) == ["0", "1", "2", "3"]


def test_nothing_is_pickled_and_no_wckey_is_asked_for(tmp_path: Path) -> None:
    submission = hand_over(make_plan({}, ["a", "b"]), tmp_path)
    wait_for_end(submission)
    names = {path.name for path in submission.folder.iterdir()}
    assert "submission.json" in names
    assert not [name for name in names if name.endswith((".pkl", ".save_tmp"))]
    scripts = [path.read_text() for path in submission.folder.glob("*.sh")]
    assert scripts and not any("wckey" in text for text in scripts)


def test_a_look_at_many_ended_elements_is_one_call_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan({}, [f"t{number}" for number in range(40)])
    submission = hand_over(plan, tmp_path / "root", make_profile(slurm={"hold": True}))
    calls = counted(tmp_path / "bin", monkeypatch, "squeue", "sacct", "scontrol", "scancel")
    cancel(plan, tmp_path / "root")
    assert calls() == ["squeue", "scancel"]
    wait_for_end(submission)
    (tmp_path / "bin" / "calls").unlink()
    before = modes_and_times(tmp_path / "root")
    assert set(states(plan, tmp_path / "root").values()) == {State.ELIGIBLE}
    assert calls().count("squeue") == 1 and set(calls()) <= {"squeue", "sacct"}
    assert modes_and_times(tmp_path / "root") == before


def modes_and_times(root: Path) -> dict[str, Any]:
    return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns) for path in root.rglob("*")}


def test_job_ids_that_come_again_lead_to_no_old_files(
    tmp_path: Path, cluster_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Submission] = []
    for tasks in (["a", "b"], ["c", "d"]):
        cluster = DevCluster(ClusterSettings(folder=cluster_folder, first_job_id=500))
        cluster.start()
        monkeypatch.setenv("SLURM_CONF", cluster.environment()["SLURM_CONF"])
        plan = make_plan({}, tasks, name=tasks[0])
        write_json(tmp_path / "orders.json", {"fail": ["c"]})
        found.append(hand_over(plan, tmp_path))
        wait_for_end(found[-1])
        said = {task: states(plan, tmp_path)[run_of(plan, task)] for task in tasks}
        cluster.stop()
        shutil.rmtree(cluster_folder / "state")
    assert found[0].arrays[0].job_id == found[1].arrays[0].job_id
    assert said == {"c": State.FAILED, "d": State.COMPLETED}


def test_a_signal_that_comes_before_a_run_listens_does_not_kill_it(tmp_path: Path) -> None:
    plan = make_plan({}, ["a"])
    write_json(tmp_path / "orders.json", {"hold": ["a"]})
    submission = hand_over(plan, tmp_path)
    (job,) = submission.job_ids[:1]
    wait_until(lambda: any(is_deaf(rank, signal.SIGUSR2) for rank in ranks(job).values()), "a rank that has begun")
    for _ in range(5):  # the first of them while Python starts
        slurm("scancel", "--signal=USR2", submission.elements[run_of(plan, "a")])
        time.sleep(0.2)
    (tmp_path / "go").touch()
    wait_for_end(submission)
    assert words(submission, plan, "a") == "COMPLETED"


def test_the_element_that_has_the_id_of_its_array_asks_and_speaks_for_itself_alone(tmp_path: Path) -> None:
    element = "from xstilts_hpc.cluster.life import Element as E; e = E.here(); print(e.facts.state, e.requeue())"
    script = f"""--wrap=echo $SLURM_ARRAY_TASK_ID $SLURM_JOB_ID >> {tmp_path}/started
if [ $SLURM_ARRAY_TASK_ID = 2 -a -z "$SLURM_RESTART_COUNT" ]; then
  sleep 2; cd {CHECKOUT}; {sys.executable} -c '{element}' > {tmp_path}/said; sleep 60
fi"""
    array = slurm("sbatch", "--parsable", "--requeue", "--array=0-2", "--output=/dev/null", script)
    wait_until(lambda: set(elements_of([array]).values()) == {"COMPLETED"}, "three ends")
    assert (tmp_path / "said").read_text() == "RUNNING True\n"
    started = [line.split() for line in (tmp_path / "started").read_text().splitlines()]
    assert sorted(index for index, _ in started) == ["0", "1", "2", "2"]
    assert {job for index, job in started if index == "2"} == {array}
