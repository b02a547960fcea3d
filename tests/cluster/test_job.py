"""What an array element runs."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.trivial_runs import COLLECT, ENTRY, FOLDER, done_tasks, make_plan
from xstilts_hpc.cluster.job import call, first_host, rank_variables, run_element
from xstilts_hpc.cluster.submission import Submission, SubmittedArray, read_submission
from xstilts_hpc.errors import RunError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder

CHECKOUT = FOLDER.parent.parent


def make_submission(root: Path, plan: Plan) -> Submission:
    arrays = (SubmittedArray("intermediate", tuple((run_id,) for run_id in plan.runs), -1, "", "7"),)
    folder = root / "grids" / plan.name / "submissions" / "1"
    submission = Submission(folder, plan.name, root, {}, Machine(threads=3), arrays, "now", ENTRY, COLLECT)
    submission.write()
    for planned in plan.runs.values():
        run_folder(root, planned.run.id).prepare(planned.run, planned.request)
    return submission


def run_job(submission: Submission, index: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xstilts_hpc.cluster.job", str(submission.json), "0"]
    environment = {**os.environ, "PYTHONPATH": f"{FOLDER}:{CHECKOUT}", "SLURM_ARRAY_TASK_ID": str(index)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_element_does_its_run_on_the_submissions_machine(tmp_path: Path) -> None:
    plan = make_plan({}, ["a"])
    submission = make_submission(tmp_path, plan)
    (run_id,) = plan.runs
    done = run_job(submission)
    assert done.returncode == 0
    assert done.stderr.endswith("element begins, start 0\n")
    assert plan.done(tmp_path) == {run_id}
    assert read_json(tmp_path / "done.jsonl")["threads"] == 3


def test_expected_failure_is_a_message_and_an_exit_code(tmp_path: Path) -> None:
    plan = make_plan({"a": ["b"]})
    submission = make_submission(tmp_path, plan)
    parent, _ = plan.runs
    done = run_job(submission, 1)
    assert done.returncode == 4
    assert done.stderr.endswith(f"parent {parent} is not done\n")


def test_wrong_usage_is_said() -> None:
    usage = subprocess.run(
        [sys.executable, "-m", "xstilts_hpc.cluster.job"],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert usage.returncode == 2 and "SUBMISSION_JSON ARRAY_NUMBER|collect" in usage.stderr


def test_a_pack_does_its_runs_in_order(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"], "b": ["b1"]})
    submission = make_submission(tmp_path, plan)
    a, b, a1, b1 = plan.runs
    packed = replace(submission.arrays[0], packs=((a, a1, b, b1),))
    replace(submission, arrays=(packed,)).write()
    assert run_job(submission).returncode == 0
    assert [done["task"] for done in done_tasks(tmp_path)] == ["a", "a1", "b", "b1"]


def test_unexpected_failure_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        call("no_such_module:execute", tmp_path)


def test_submission_of_another_schema_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "submission.json", {"schema": 99})
    with pytest.raises(RunError, match="schema 99, this version reads 2"):
        run_element(tmp_path / "submission.json", 0)


def test_submission_reads_back_as_written(tmp_path: Path) -> None:
    submission = make_submission(tmp_path, make_plan({"a": ["b"]}))
    assert read_submission(submission.json) == submission
    assert submission.log(submission.runs[1]).name == "7_1_0_log.out"


def test_ranks_come_from_slurm() -> None:
    environment = {
        "SLURM_PROCID": "5",
        "SLURM_NTASKS": "8",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_LOCALID": "1",
        "SLURM_JOB_NODELIST": "n[07-08]",
        "SLURM_JOB_ID": "12001",
        "RANK": "0",
    }
    assert rank_variables(environment) == {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "4",
        "MASTER_ADDR": "n07",
        "MASTER_PORT": "20001",
    }
    assert rank_variables({"PATH": "/bin"}) == {}


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n1", "n1"),
        ("n1,n2", "n1"),
        ("n[07-09,12]-ib,m1", "n07-ib"),
        ("gpu-a[3,5]", "gpu-a3"),
        ("r[1-2]n[03-04]", "r1n03"),
        ("0x7f[000001-000002]", "0x7f000001"),
    ],
)
def test_first_host_of_a_node_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


@pytest.mark.parametrize("what", ["0", "collect"])
def test_what_a_record_names_is_not_executed_where_others_could_have_written_it(tmp_path: Path, what: str) -> None:
    submission = make_submission(tmp_path, make_plan({}, ["a"]))
    submission.folder.chmod(0o777)
    command = [sys.executable, "-m", "xstilts_hpc.cluster.job", str(submission.json), what]
    environment = {**os.environ, "PYTHONPATH": f"{FOLDER}:{CHECKOUT}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 4
    assert "may be written by everybody" in done.stderr
    assert not (tmp_path / "collected.json").exists() and not (tmp_path / "done.jsonl").exists()
