"""Cleaning after submissions: what Slurm holds stays, what was written for ended jobs goes."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster.cleaned_roots import finish, going, old, planned, staying, write
from tests.cluster.test_submit import hand_over, wait_for_end
from tests.cluster.trivial_runs import FOLDER, make_plan, run_of
from xstilts_hpc.cluster import slurm_commands
from xstilts_hpc.cluster.clean import What, clean, find
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.submission import Submission, SubmittedArray
from xstilts_hpc.errors import ClusterError
from xstilts_hpc.files import write_json
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder


def submitted(root: Path, plan: Plan, packs: Sequence[Sequence[str]], job_id: str = "17") -> Submission:
    array = SubmittedArray("target", tuple(map(tuple, packs)), -1, job_id=job_id, name="xs-small-0-t")
    folder = grid_folder(root, plan.name).submissions / "t"
    submission = Submission(folder, plan.name, root, {}, Machine(), (array,), "2026-01-01", code=str(root / "code/c"))
    submission.write()
    for name in ("17_submission.sh", "17_0_submitted.pkl", "17_0_0_log.out", ".submission_file_1.sh"):
        write(folder / name)
    return submission


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return planned(tmp_path, make_plan({"mnli": ["xnli", "pawsx"]}, baselines=["panx"]))


def answers(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let squeue answer with a text, for the states that a real Slurm takes long to reach."""

    def ask(command: Sequence[str], **_: float) -> "slurm_commands.subprocess.CompletedProcess[str]":
        return slurm_commands.subprocess.CompletedProcess(command, 0, text, "")

    monkeypatch.setattr(slurm_commands, "ask", ask)


def silent(*_: object, **__: object) -> None:
    raise ClusterError("squeue gave no answer in 10 s")


@pytest.mark.parametrize("word", ["PENDING", "RUNNING"])
def test_what_slurm_holds_stays(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    finish(tmp_path, plan, "panx")
    submission = submitted(tmp_path, plan, [[run_of(plan, "panx")], [run_of(plan, "xnli")]])
    package = old(write(write_code(tmp_path / "code" / "c") / "run.py").parent.parent)
    answers(monkeypatch, f"17_0|{word}|n1|0:01|1:00|N/A|None|xs-small-0-t\n17_1|COMPLETED||0:01|1:00|N/A|None|xs\n")
    found = clean(plan, tmp_path)
    assert going(found) == []
    assert staying(found, What.CHECKPOINTS) == [f"Slurm holds it: {word}"]
    assert staying(found, What.CODE) == ["an unfinished submission runs it"]
    assert set(staying(found, What.SUBMISSION)) == {"Slurm holds jobs of it"}
    assert package.is_dir() and len(list(submission.folder.iterdir())) == 5


def test_where_slurm_does_not_answer_what_was_submitted_stays(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(tmp_path, plan, "panx", "mnli")
    submitted(tmp_path, plan, [[run_of(plan, "panx")]])
    monkeypatch.setattr(slurm_commands, "ask", silent)
    found = clean(plan, tmp_path)
    assert going(found) == [run_folder(tmp_path, run_of(plan, "mnli")).checkpoints]
    assert staying(found, What.CHECKPOINTS) == ["it was submitted, and Slurm does not answer"]
    assert set(staying(found, What.SUBMISSION)) == {"squeue gave no answer in 10 s"}


def write_code(folder: Path, untracked: Sequence[str] = ()) -> Path:
    write_json(folder / "code.json", {"untracked": list(untracked)})
    write(folder / "changes.patch")
    return folder / "xstilts_hpc"


def test_of_an_ended_submission_its_record_and_logs_stay(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submitted(tmp_path, plan, [[run_of(plan, "panx")]])
    code = tmp_path / "code" / "c"
    write(write_code(code) / "run.py")
    old(code)
    answers(monkeypatch, "17|COMPLETED|n1|0:01|1:00|N/A|None|xs-small-0-t\n")
    clean(plan, tmp_path)
    assert sorted(path.name for path in submission.folder.iterdir()) == ["17_0_0_log.out", "submission.json"]
    assert sorted(path.name for path in code.iterdir()) == ["changes.patch", "code.json"]


def test_code_that_is_new_or_the_only_copy_stays(tmp_path: Path, plan: Plan) -> None:
    write(write_code(tmp_path / "code" / "new") / "run.py")
    write(write_code(tmp_path / "code" / "mine", ["xstilts_hpc/mine.py"]) / "mine.py")
    old(tmp_path / "code" / "mine")
    found = clean(plan, tmp_path)
    assert going(found) == []
    assert staying(found, What.CODE) == ["it holds files that git does not know: this is their only copy"]


def test_an_intended_array_may_still_come_for_a_day(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submitted(tmp_path, plan, [[run_of(plan, "panx")]], job_id="")
    answers(monkeypatch, "")
    assert going(find(plan, tmp_path)) == []
    old(submission.json)
    assert len(going(find(plan, tmp_path), What.SUBMISSION)) == 3


@pytest.mark.slurm
def test_after_a_real_submission_everything_goes_on_without_what_was_cleaned(
    devcluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    plan = make_plan({"a": ["a1"], "b": ["b1"]})
    write_json(tmp_path / "orders.json", {"hold": ["b"]})
    submission = hand_over(plan, tmp_path)
    while not run_folder(tmp_path, run_of(plan, "a1")).done_json.is_file():
        time.sleep(0.1)
    write(run_folder(tmp_path, run_of(plan, "a1")).checkpoints / "a" / "shard.pt")
    scripts = sorted(submission.folder.glob("*.sh"))
    found = clean(plan, tmp_path)
    assert staying(found, What.SUBMISSION) == ["Slurm holds jobs of it"] * len(sorted(submission.folder.glob("*.sh")))
    assert sorted(submission.folder.glob("*.sh")) == scripts
    (tmp_path / "go").touch()
    wait_for_end(submission)
    clean(plan, tmp_path)
    assert not list(submission.folder.glob("*.sh"))
    assert submission.log(run_of(plan, "b1")).is_file()
    assert plan.done(tmp_path) == set(plan.runs)
    assert hand_over(plan, tmp_path).runs == ()
