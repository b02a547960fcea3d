"""What may be deleted, what never is, and that a cleaned root goes on working."""

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cluster.cleaned_roots import finish, going, old, planned, staying, write
from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cli import app
from xstilts_hpc.cluster.clean import What, clean, find
from xstilts_hpc.cluster.submission import lock
from xstilts_hpc.errors import LockError, RunError
from xstilts_hpc.lease import hold
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import run_folder


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
