"""States of runs from files alone; those that Slurm decides are tested beside submit."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.cluster.standing_records import attempted, complete, submitted
from tests.cluster.trivial_runs import make_plan
from xstilts_hpc.cluster.axes import counts, status_table
from xstilts_hpc.cluster.status import State, states
from xstilts_hpc.plan import Plan


def by_task(plan: Plan, root: Path) -> dict[str, str]:
    found = states(plan, root)
    return {p.run.training.task: str(found[run_id]) for run_id, p in plan.runs.items() if p.run.training}


def test_nothing_done_yet(tmp_path: Path) -> None:
    assert by_task(make_plan({"a": ["a1"]}, ["x"]), tmp_path) == {"a": "eligible", "x": "eligible", "a1": "waiting"}


def test_children_follow_their_parents(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1"], "b": ["b1"], "c": ["c1"]})
    complete(plan, tmp_path, "a")
    attempted(plan, tmp_path, "b", cause="failed")
    attempted(plan, tmp_path, "b1", cause="blocked")
    attempted(plan, tmp_path, "c", cause="", end="")
    assert by_task(plan, tmp_path) == {
        "a": "completed", "b": "failed", "c": "running", "a1": "eligible", "b1": "blocked", "c1": "waiting",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({"cause": "failed"}, "failed"),
        ({"cause": "cancelled"}, "eligible"),
        ({"cause": "preempted", "decided": "given up: preempted, 100 of 100"}, "failed"),
        ({"cause": "blocked"}, "eligible"),
        ({"cause": "completed"}, "eligible"),
        ({"cause": "", "end": ""}, "running"),
        ({"cause": "", "end": "", "pid": 2**22 + 1}, "failed"),
        ({"cause": "", "end": "", "host": "elsewhere"}, "failed"),
    ],
)
def test_last_attempt_decides(tmp_path: Path, record: dict[str, Any], state: str) -> None:
    plan = make_plan({}, ["a"])
    attempted(plan, tmp_path, "a", cause="failed")
    attempted(plan, tmp_path, "a", **record)
    assert by_task(plan, tmp_path) == {"a": state}


def test_silent_slurm_is_said_and_files_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = make_plan({"a": ["a1"]}, ["x"])
    submitted(plan, tmp_path, [["a"], ["x"]])
    attempted(plan, tmp_path, "x", cause="", end="", host="elsewhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        assert by_task(plan, tmp_path) == {"a": "submitted", "x": "running", "a1": "waiting"}
    assert "states come from files alone" in caplog.text


def test_table_counts_stage_by_state(tmp_path: Path) -> None:
    plan = make_plan({"a": ["a1", "a2"]}, ["x"])
    complete(plan, tmp_path, "a")
    found = states(plan, tmp_path)
    assert counts(plan, found) == {("intermediate",): {State.COMPLETED: 1}, ("target",): {State.ELIGIBLE: 3}}
    screen = io.StringIO()
    Console(file=screen, width=80).print(status_table(plan, found))
    rows = [line.replace("│", " ").split() for line in screen.getvalue().splitlines()]
    assert ["stage", "eligible", "completed", "runs"] in [[w.strip("┃") for w in row if w.strip("┃")] for row in rows]
    assert ["intermediate", "1", "1"] in rows and ["target", "3", "3"] in rows and ["all", "3", "1", "4"] in rows
