"""Which runs are tried again, and where."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cluster.standing_records import attempted, complete, submitted
from tests.cluster.trivial_runs import make_plan, make_profile, run_of
from xstilts_hpc.cli import app
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.devcluster import DevCluster
from xstilts_hpc.cluster.retry import check_causes, profile_for, to_retry
from xstilts_hpc.cluster.status import look
from xstilts_hpc.cluster.submission import submissions
from xstilts_hpc.cluster.submit import submit
from xstilts_hpc.errors import ProfileError, RunError
from xstilts_hpc.plan import Plan, grid_folder


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Give a plan with one failed family, and single runs that ended in other ways."""
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"]}, ["x", "y", "z"])
    plan.save(grid_folder(tmp_path, plan.name).plan)
    attempted(plan, tmp_path, "a", cause="out_of_memory", again=False)
    complete(plan, tmp_path, "b")
    attempted(plan, tmp_path, "b1", cause="failed")
    attempted(plan, tmp_path, "x", cause="cancelled")
    attempted(plan, tmp_path, "y", cause="", end="", host="elsewhere")
    attempted(plan, tmp_path, "z", cause="out_of_memory")
    attempted(plan, tmp_path, "z", cause="", end="")
    return plan


def chosen(plan: Plan, root: Path, *causes: str) -> list[str]:
    found = to_retry(look(plan, root), causes)
    return sorted(p.run.training.task for i, p in plan.runs.items() if i in found and p.run.training)


def test_runs_are_chosen_by_how_their_last_attempt_ended(plan: Plan, tmp_path: Path) -> None:
    assert chosen(plan, tmp_path, "out_of_memory") == ["a", "a1", "a2"]
    assert chosen(plan, tmp_path, "failed", "cancelled") == ["b1", "x"]
    assert chosen(plan, tmp_path, "lost") == ["y"]
    assert chosen(plan, tmp_path, "disk_full") == []


def test_without_causes_every_failed_run_is_chosen(plan: Plan, tmp_path: Path) -> None:
    assert chosen(plan, tmp_path) == ["a", "a1", "a2", "b1", "y"]


def test_a_mistyped_cause_is_named_with_the_nearest() -> None:
    with pytest.raises(RunError, match=r"--cause oom: no attempt ends so; valid: .*out_of_memory"):
        check_causes(["oom"])
    with pytest.raises(RunError, match="did you mean 'preempted'"):
        check_causes(["prempted"])


def test_the_profile_is_that_of_the_latest_submission(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="never submitted to Slurm; say where with --profile"):
        profile_for(look(plan, tmp_path), "")
    submitted(plan, tmp_path, [["x"]])
    assert profile_for(look(plan, tmp_path), "").name == "test"


def test_the_command_says_what_it_would_run_here(plan: Plan, tmp_path: Path) -> None:
    options = ["--root", str(tmp_path), "--profile", "local", "--dry-run"]
    done = CliRunner().invoke(app, ["retry", "small", "--cause", "out_of_memory", *options])
    assert done.exit_code == 0
    assert "would run 3 of 8 runs here" in done.output
    none = CliRunner().invoke(app, ["retry", "small", "--cause", "disk_full", *options])
    assert "nothing to retry: no run ended as disk_full" in none.output
    assert run_of(plan, "a") in look(plan, tmp_path).standings


@pytest.mark.slurm
@pytest.mark.timeout(120)
def test_on_slurm_nothing_but_the_chosen_runs_is_submitted_again(
    plan: Plan, tmp_path: Path, devcluster: DevCluster
) -> None:
    first = submit(plan, tmp_path, make_profile(slurm={"hold": True}))
    slurm.cancel(first.job_ids)
    (tmp_path / "model").mkdir()
    options = ["--root", str(tmp_path), "--cause", "out_of_memory"]
    would = CliRunner().invoke(app, ["retry", "small", *options, "--dry-run"])
    assert "would submit" in would.output
    assert len(submissions(tmp_path)) == 1
    done = CliRunner().invoke(app, ["retry", "small", *options])
    again = submissions(tmp_path)[-1]
    slurm.cancel(again.job_ids)
    assert done.exit_code == 0, done.output
    assert set(again.runs) == {run_of(plan, "a"), run_of(plan, "a1"), run_of(plan, "a2")}
