"""A plan takes the place of the one of its name if it only adds; else it is refused, or told to and the other kept."""

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.cluster.cleaned_roots import finish, planned, staying
from tests.cluster.trivial_runs import make_plan, make_profile, run_of
from tests.test_cli import grid
from xstilts_hpc.cli import app
from xstilts_hpc.cluster.clean import What, find
from xstilts_hpc.cluster.explain import explain
from xstilts_hpc.cluster.handover import Handover
from xstilts_hpc.cluster.local import run_local
from xstilts_hpc.cluster.local_progress import LocalProgress
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.cluster.submission import Submission
from xstilts_hpc.cluster.succession import USUAL, Terms, check_succession, put_on_record
from xstilts_hpc.errors import GridError
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import load_grid
from xstilts_hpc.plan import Plan, grid_folder, load_plan

WHOLE = make_plan({"a": ["a1", "a2"]}, ["b"])
CUT = make_plan({}, ["b", "c"])
REFUSED = (
    r"grid small was submitted with 4 runs, 3 of which would no longer be in it "
    r"\(a_full_s0, a1_full_s0_after_a_full_s0, a2_full_s0_after_a_full_s0\): .* another `name:` .* --replace"
)


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """Give a root where a grid of four runs was submitted and finished."""
    finish(tmp_path, planned(tmp_path, WHOLE), "a", "a1", "a2", "b")
    return tmp_path


def run(plan: Plan, root: Path, terms: Terms = USUAL) -> int:
    profile = Profile.model_validate({"schema": 1, "name": "here", "kind": "local", "gpus_per_node": 0})
    return run_local(plan, root, profile, progress=LocalProgress(Console(quiet=True)), terms=terms)


def test_a_plan_that_drops_runs_is_refused_before_anything_is_written(done: Path) -> None:
    before = grid_folder(done, "small").plan.read_text()
    with pytest.raises(GridError, match=REFUSED):
        run(CUT, done)
    assert grid_folder(done, "small").plan.read_text() == before
    assert set(done.rglob("*LOCK*")) == set()


def test_a_plan_that_only_adds_takes_the_place_without_a_word(done: Path) -> None:
    longer = make_plan({"a": ["a1", "a2"]}, ["b", "c"])
    check_succession(longer, done, Terms())
    assert put_on_record(longer, done) is None
    assert set(load_plan(grid_folder(done, "small").plan).runs) == set(longer.runs)


def test_some_runs_of_the_plan_that_stands_are_handed_over_as_before(done: Path) -> None:
    assert run(WHOLE, done, Terms(only={run_of(WHOLE, "b")})) == 0


def test_a_plan_that_is_to_replace_another_keeps_it_for_why_and_clean(done: Path) -> None:
    smaller = make_plan({}, ["b"])
    assert run(smaller, done, Terms(replace=True)) == 0
    assert set(load_plan(grid_folder(done, "small").plan).runs) == set(smaller.runs)
    found = explain(run_of(WHOLE, "a1"), done)
    assert next(found.lines()) == f"{run_of(WHOLE, 'a1')}: completed (once of grid small)"
    assert found.next.startswith("nothing; its products are in ")
    why = "it was of grid small, which no longer asks for it: look at it, and delete it yourself"
    assert staying(find(smaller, done), What.RUN) == [why] * 3


def test_a_dropped_run_that_is_not_done_is_nobodys_to_hand_over(tmp_path: Path) -> None:
    planned(tmp_path, WHOLE)
    put_on_record(make_plan({}, ["c"]), tmp_path)
    told = explain(run_of(WHOLE, "b"), tmp_path).next
    assert told == "nothing: the grid small that was submitted since does not ask for it"


def test_a_submission_that_is_undone_puts_the_other_plan_back(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xstilts_hpc.cluster.slurm_commands.cancel", lambda _jobs: None)
    folder, profile = grid_folder(done, "small"), make_profile()
    before = folder.plan.read_text()
    submission = Submission(folder.submissions / "x", "small", done, {}, profile.machine(), (), "now")
    handover = Handover(CUT, submission, profile)
    handover.prepare()
    assert len(list(folder.replaced.iterdir())) == 1
    handover.undo()
    assert folder.plan.read_text() == before
    assert not folder.replaced.exists()


def test_a_damaged_plan_is_submitted_again(done: Path) -> None:
    grid_folder(done, "small").plan.write_text("{")
    check_succession(CUT, done, Terms())
    put_on_record(CUT, done)
    assert set(load_plan(grid_folder(done, "small").plan).runs) == set(CUT.runs)


def test_submitting_another_file_of_the_name_is_refused_on_the_command_line(tiny_root: Path) -> None:
    plan = expand(load_grid(grid(tiny_root)), root=tiny_root)
    plan.save(grid_folder(tiny_root, plan.name).plan)
    call = ["submit", str(grid(tiny_root, intermediate="[{task: none}]")), "-p", "local", "--root", str(tiny_root)]
    for dry in ([], ["--dry-run"]):
        found = CliRunner().invoke(app, [*call, *dry])
        assert isinstance(found.exception, GridError)
        assert "would no longer be in it" in str(found.exception)
    found = CliRunner().invoke(app, [*call, "--dry-run", "--replace"])
    assert (found.exit_code, found.output) == (0, "would run 4 of 4 runs here\n")
