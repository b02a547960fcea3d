"""What may be deleted, what never is, and that a cleaned root goes on working."""

import json
import os
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cluster.test_submit import hand_over, wait_for_end
from tests.cluster.trivial_runs import FOLDER, make_plan, run_of
from xstilts_hpc.cli import app
from xstilts_hpc.cluster import slurm_commands
from xstilts_hpc.cluster.clean import DAY_S, Item, What, clean, find
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.submission import Submission, SubmittedArray, lock
from xstilts_hpc.errors import ClusterError, LockError, RunError
from xstilts_hpc.files import write_json
from xstilts_hpc.lease import hold
from xstilts_hpc.machine import Machine
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder


def planned(root: Path, plan: Plan) -> Plan:
    """Write a plan and prepare its runs."""
    plan.save(grid_folder(root, plan.name).plan)
    for item in plan.runs.values():
        run_folder(root, item.run.id).prepare(item.run, item.request)
    return plan


def write(path: Path, text: str = "12345") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def finish(root: Path, plan: Plan, *tasks: str) -> None:
    """Do runs: an encoder where it is asked for, and what a run that is cut off at its very end leaves behind."""
    for task in tasks:
        folder = run_folder(root, run_of(plan, task))
        files = []
        if folder.request().keep_encoder:
            files = [write(folder.encoder / "model.safetensors"), write(folder.encoder / "config.json", "{}")]
        folder.commit({"xnli": {"en": {"accuracy": 0.5}}}, files, folder.request())
        write(folder.checkpoints / "a" / "shard.pt", "1234567890")
        write(folder.history, "{}\n")
        write_json(folder.provenance(1), {"attempt": 1, "start": "2026", "end": "2026", "cause": "completed"})


def old(path: Path, days: float = 2) -> Path:
    """Make a file or folder look untouched for some days."""
    when = time.time() - days * DAY_S
    inside = sorted(path.rglob("*"), reverse=True) if path.is_dir() else []
    for each in (*inside, path):
        os.utime(each, (when, when))
    return path


def going(items: Iterable[Item], what: What | None = None) -> list[Path]:
    return [item.path for item in items if not item.stays and what in (None, item.what)]


def staying(items: Iterable[Item], what: What) -> list[str]:
    return [item.why for item in items if item.stays and item.what is what]


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


def test_checkpoints_of_done_runs_go_and_those_of_others_stay(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli")
    write(run_folder(tmp_path, run_of(plan, "xnli")).checkpoints / "a" / "shard.pt")
    found = find(plan, tmp_path)
    assert going(found) == [run_folder(tmp_path, run_of(plan, "mnli")).checkpoints]
    assert [(item.files, item.bytes, item.why) for item in found if not item.stays] == [(1, 10, "the run is done")]


def test_finding_changes_nothing(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx")
    before = {path: path.lstat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    find(plan, tmp_path)
    assert {path: path.lstat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before


def test_an_encoder_stays_until_every_run_that_starts_from_it_is_done(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli")
    found = find(plan, tmp_path)
    assert going(found, What.ENCODER) == []
    assert staying(found, What.ENCODER) == ["1 runs that start from it are not done (small)"]
    finish(tmp_path, plan, "pawsx")
    assert going(find(plan, tmp_path), What.ENCODER) == [run_folder(tmp_path, run_of(plan, "mnli")).encoder]


def test_an_encoder_that_another_grid_needs_stays(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx")
    planned(tmp_path, make_plan({"mnli": ["xnli", "udpos"]}, name="other"))
    clean(plan, tmp_path)
    folder = run_folder(tmp_path, run_of(plan, "mnli"))
    assert (folder.encoder / "model.safetensors").is_file()
    assert staying(find(plan, tmp_path), What.ENCODER) == ["1 runs that start from it are not done (other)"]
    assert not folder.checkpoints.exists()


def test_a_cleaned_grid_is_still_done_and_its_records_are_true(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx", "panx")
    clean(plan, tmp_path)
    folder = run_folder(tmp_path, run_of(plan, "mnli"))
    assert plan.done(tmp_path) == set(plan.runs)
    assert folder.done(folder.request(), verify=True)
    assert folder.scores() == {"xnli": {"en": {"accuracy": 0.5}}}
    assert sorted(path.name for path in folder.path.iterdir()) == [
        *("DONE.json", "history.jsonl", "provenance", "request.json", "run.json")
    ]
    assert going(find(plan, tmp_path)) == []


def test_a_run_whose_encoder_went_is_done_again_for_a_grid_that_starts_from_it_later(
    tmp_path: Path, plan: Plan
) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx")
    clean(plan, tmp_path)
    later = planned(tmp_path, make_plan({"mnli": ["xnli", "udpos"]}, name="later"))
    assert later.done(tmp_path) == {run_of(plan, "xnli")}
    assert run_folder(tmp_path, run_of(plan, "mnli")).request().keep_encoder
    assert plan.done(tmp_path) == {run_of(plan, task) for task in ("mnli", "xnli", "pawsx")}


def test_cut_off_before_the_encoder_was_deleted_it_goes_the_next_time(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx")
    folder = run_folder(tmp_path, run_of(plan, "mnli"))
    kept = {path.name: path.read_text() for path in folder.encoder.iterdir()}
    clean(plan, tmp_path)
    for name, text in kept.items():
        write(folder.encoder / name, text)
    assert plan.done(tmp_path) >= {run_of(plan, "mnli")}
    assert going(clean(plan, tmp_path)) == [folder.encoder]
    assert not folder.encoder.exists()


def test_logits_records_and_history_are_never_offered(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx", "panx")
    kept = [write(run_folder(tmp_path, run_id).logits("xnli")) for run_id in plan.runs]
    clean(plan, tmp_path)
    for path in kept:
        assert path.is_file()
        assert (path.parent.parent / "provenance" / "1.json").is_file()
        assert (path.parent.parent / "DONE.json").is_file()


def test_trained_models_and_damaged_records_of_done_runs_go(tmp_path: Path, plan: Plan) -> None:
    for task in ("xnli", "panx"):
        folder = run_folder(tmp_path, run_of(plan, task))
        write(folder.trained / "heads.safetensors")
        write(folder.path / "DONE.damaged.json")
    finish(tmp_path, plan, "panx")
    folder = run_folder(tmp_path, run_of(plan, "panx"))
    found = find(plan, tmp_path)
    assert going(found, What.TRAINED) == [folder.trained]
    assert going(found, What.DAMAGED) == [folder.path / "DONE.damaged.json"]


def test_nothing_of_a_run_that_a_process_holds_is_touched(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "panx")
    folder = run_folder(tmp_path, run_of(plan, "panx"))
    with hold(folder.lease):
        found = clean(plan, tmp_path)
    assert folder.checkpoints.is_dir()
    assert f"process {os.getpid()} on {socket.gethostname()}" in staying(found, What.CHECKPOINTS)[0]
    assert going(clean(plan, tmp_path)) == [folder.checkpoints]


def test_while_the_grid_is_submitted_nothing_is_deleted(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "panx")
    with lock(tmp_path, "small"), pytest.raises(LockError, match="LOCK is held by process"):
        clean(plan, tmp_path)
    assert run_folder(tmp_path, run_of(plan, "panx")).checkpoints.is_dir()


def test_while_another_grid_is_submitted_what_grids_share_stays(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx")
    planned(tmp_path, make_plan({}, baselines=["udpos"], name="other"))
    with lock(tmp_path, "other"):
        found = clean(plan, tmp_path)
    assert len(going(found, What.CHECKPOINTS)) == 3
    assert "LOCK is held by process" in staying(found, What.ENCODER)[0]
    assert run_folder(tmp_path, run_of(plan, "mnli")).encoder.is_dir()


def test_unreadable_plan_of_another_grid_stops_everything(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli", "pawsx")
    write(grid_folder(tmp_path, "broken").plan, "{")
    with pytest.raises(RunError, match=r"broken/plan.json.*\nnothing is deleted while the plan of a grid cannot be"):
        clean(plan, tmp_path)


def test_a_run_of_no_grid_is_reported_and_never_deleted(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "panx")
    stray = write(tmp_path / "runs" / "stray-0" / "logits" / "x.h5").parent.parent
    found = clean(plan, tmp_path)
    assert [(item.path, item.files) for item in found if item.what is What.RUN] == [(stray, 1)]
    assert staying(found, What.RUN) == ["it belongs to no grid: look at it, and delete it yourself"]
    assert (stray / "logits" / "x.h5").is_file()


def test_unfinished_files_go_after_a_day_unless_their_writer_lives(tmp_path: Path, plan: Plan) -> None:
    folder = run_folder(tmp_path, run_of(plan, "xnli")).path
    gone = [old(write(folder / "logits" / f"x.h5.{2**22 + 1}.partial")), old(write(tmp_path / "cache" / "a.partial"))]
    write(folder / "new.1.partial")
    old(write(folder / f"run.json.{os.getpid()}.partial"))
    assert sorted(going(clean(plan, tmp_path), What.PARTIAL)) == sorted(gone)
    assert sorted(path.name for path in folder.glob("*.partial")) == [
        "new.1.partial",
        f"run.json.{os.getpid()}.partial",
    ]


def test_links_are_not_followed_out_of_the_root(tmp_path: Path, plan: Plan) -> None:
    root, elsewhere = tmp_path / "root", write(tmp_path / "elsewhere" / "shard.pt").parent
    plan = planned(root, plan)
    finish(root, plan, "panx", "xnli")
    linked, holding = (run_folder(root, run_of(plan, task)).checkpoints for task in ("panx", "xnli"))
    (linked / "a" / "shard.pt").unlink()
    (linked / "a").rmdir()
    linked.rmdir()
    linked.symlink_to(elsewhere)
    (holding / "b").symlink_to(elsewhere)
    found = clean(plan, root)
    assert staying(found, What.CHECKPOINTS) == ["a symbolic link leads away from the root; it is not followed"]
    assert going(found, What.CHECKPOINTS) == [holding]
    assert (elsewhere / "shard.pt").is_file()


def test_encoded_data_go_only_on_request_and_only_unused(tmp_path: Path, plan: Plan) -> None:
    unused = old(write(tmp_path / "cache" / "encoded" / "xnli-1" / "data.arrow").parent, days=40)
    write(tmp_path / "cache" / "encoded" / "xnli-2" / "data.arrow")
    assert going(find(plan, tmp_path)) == []
    assert going(find(plan, tmp_path, cache_days=41)) == []
    assert going(clean(plan, tmp_path, cache_days=30)) == [unused]
    assert [path.name for path in (tmp_path / "cache" / "encoded").iterdir()] == ["xnli-2"]


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


def test_the_command_tells_first_and_deletes_only_with_apply(tmp_path: Path, plan: Plan) -> None:
    finish(tmp_path, plan, "mnli", "xnli")
    options = ["--root", str(tmp_path)]
    told = CliRunner().invoke(app, ["clean", "small", *options], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert "may be deleted: 2 files, 20 bytes" in told.output
    assert "1 runs that start from it are not done (small)" in told.output
    assert f"next: xstilts clean small --apply --root {tmp_path}" in told.output
    listed = json.loads(CliRunner().invoke(app, ["clean", "small", "--json", *options]).output)
    checkpoints = run_folder(tmp_path, run_of(plan, "xnli")).checkpoints
    assert [(item["what"], item["stays"]) for item in listed["items"]] == [
        *(("checkpoints", False), ("saved encoders", True), ("checkpoints", False))
    ]
    assert listed["items"][2]["path"] == str(checkpoints)
    assert checkpoints.is_dir()
    done = CliRunner().invoke(app, ["clean", "small", "--apply", *options])
    assert "deleted: 2 files, 20 bytes" in done.output
    assert not checkpoints.exists()


@pytest.mark.slurm
def test_after_a_real_submission_everything_goes_on_without_what_was_cleaned(
    devcluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    plan = make_plan({"a": ["a1"], "b": ["b1"]})
    write_json(tmp_path / "orders.json", {"sleep": {"b": 8}})
    submission = hand_over(plan, tmp_path)
    while not run_folder(tmp_path, run_of(plan, "a1")).done_json.is_file():
        time.sleep(0.1)
    write(run_folder(tmp_path, run_of(plan, "a1")).checkpoints / "a" / "shard.pt")
    scripts = sorted(submission.folder.glob("*.sh"))
    found = clean(plan, tmp_path)
    assert staying(found, What.SUBMISSION) == ["Slurm holds jobs of it"] * len(sorted(submission.folder.glob("*.sh")))
    assert sorted(submission.folder.glob("*.sh")) == scripts
    wait_for_end(submission)
    clean(plan, tmp_path)
    assert not list(submission.folder.glob("*.sh"))
    assert submission.log(run_of(plan, "b1")).is_file()
    assert plan.done(tmp_path) == set(plan.runs)
    assert hand_over(plan, tmp_path).runs == ()
