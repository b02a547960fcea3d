"""What is left of a grid, and when it is done: unknown where nothing tells, else from the speed of finished runs."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.standing_records import attempted, complete, submitted
from tests.cluster.trivial_runs import make_plan
from xstilts_hpc.cluster.outlook import outlook
from xstilts_hpc.cluster.status import look
from xstilts_hpc.plan import Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Give a plan of six equal runs (a parent and its two children among them), and a model without weights."""
    (tmp_path / "model").mkdir()
    shape = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 32, "vocab_size": 100}
    (tmp_path / "model" / "config.json").write_text(json.dumps(shape), encoding="utf-8")
    plan = make_plan({"a": ["a1", "a2"]}, ["x", "y", "z"])
    predicted = {"xnli": (10_000, 200.0)}
    runs = {
        i: replace(p, train_examples=10_000, train_characters=200.0, predicted=predicted) for i, p in plan.runs.items()
    }
    return replace(plan, runs=runs)


def finished_in_an_hour(plan: Plan, root: Path, *tasks: str) -> None:
    for task in tasks:
        complete(plan, root, task)
        attempted(plan, root, task, cause="completed", measured={"train_s": 3600.0}, profile="test")


def hours_until(finish: str) -> float:
    return (time.mktime(time.strptime(finish, "%Y-%m-%d %H:%M")) - time.time()) / 3600


def test_without_a_finished_run_the_finish_is_unknown(plan: Plan, tmp_path: Path) -> None:
    found = outlook(look(plan, tmp_path))
    assert (found.runs, found.calibrated_by, found.finish) == (6, 0, "")
    assert re.fullmatch(
        r"6 runs left: .* GPU-hours \(by an assumed speed\); expected finish: unknown \(.*\)", str(found)
    )


def test_without_a_running_run_the_finish_is_unknown(plan: Plan, tmp_path: Path) -> None:
    finished_in_an_hour(plan, tmp_path, "x", "y", "z")
    found = outlook(look(plan, tmp_path))
    assert (found.finish, found.assumption) == ("", "nothing runs")
    assert found.gpu_hours == pytest.approx(3.0)


def test_runs_that_go_on_share_what_is_left(plan: Plan, tmp_path: Path) -> None:
    finished_in_an_hour(plan, tmp_path, "a", "y", "z")
    for task in ("a1", "a2", "x"):
        attempted(plan, tmp_path, task, cause="", end="")
    found = outlook(look(plan, tmp_path))
    assert (found.at_once, found.assumption) == (3, "if 3 runs go on at once, as now")
    assert hours_until(found.finish) == pytest.approx(1.0, abs=0.05)


def test_a_child_comes_after_its_parent_however_many_go_on_at_once(plan: Plan, tmp_path: Path) -> None:
    finished_in_an_hour(plan, tmp_path, "x", "y", "z")
    attempted(plan, tmp_path, "a", cause="", end="")
    found = outlook(look(plan, tmp_path))
    assert hours_until(found.finish) == pytest.approx(3.0, abs=0.05)
    attempted(plan, tmp_path, "a1", cause="", end="")
    attempted(plan, tmp_path, "a2", cause="", end="")
    assert hours_until(outlook(look(plan, tmp_path)).finish) == pytest.approx(2.0, abs=0.05)


def test_a_queue_goes_as_fast_as_the_profile_lets_it(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_in_an_hour(plan, tmp_path, "a", "y", "z")
    submission = submitted(plan, tmp_path, [["a1"], ["a2"], ["x"]])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outlook(look(plan, tmp_path)).finish == ""
    replace(submission, profile={**submission.profile, "max_parallel": 2}).write()
    found = outlook(look(plan, tmp_path))
    assert found.assumption == "if 2 runs go on at once, as the profile allows"
    assert hours_until(found.finish) == pytest.approx(1.5, abs=0.05)


def test_nothing_is_left_of_a_grid_that_is_done(plan: Plan, tmp_path: Path) -> None:
    finished_in_an_hour(plan, tmp_path, "a", "a1", "a2", "x", "y", "z")
    assert str(outlook(look(plan, tmp_path))) == "nothing is left to do"
