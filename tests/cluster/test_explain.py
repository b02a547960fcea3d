"""What `why` and `logs` tell of a run, from files alone; what Slurm adds is tested with a real one."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.standing_records import attempted, complete
from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster.explain import explain
from xstilts_hpc.cluster.logs import follow
from xstilts_hpc.errors import RunError
from xstilts_hpc.lease import hold
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import READY, run_folder


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    plan = make_plan({"a": ["a1"]}, ["x"])
    plan.save(grid_folder(tmp_path, plan.name).plan)
    return plan


def told(plan: Plan, root: Path, task: str) -> list[str]:
    return list(explain(run_of(plan, task), root).lines())


def stopped(plan: Plan, root: Path, task: str, **record: Any) -> None:
    times = {"start": "2026-11-24T10:00:00Z", "end": "2026-11-24T10:05:00Z", "host": socket.gethostname()}
    number = len(run_folder(root, run_of(plan, task)).attempts()) + 1
    attempted(plan, root, task, attempt=number, **{**times, "job": {"SLURM_JOB_ID": "17"}, **record})


@pytest.mark.parametrize(
    "damage",
    [
        {"job": ["x"]},
        {"job": {"SLURM_JOB_ID": 7}},
        {"subsets": [1]},
        {"subsets": {"mnli": {"examples": "2", "ids_sha256": "x"}}},
        {"facts": "abc"},
        {"checkpoints_passed_over": 5},
        {"cause": ["failed"]},
    ],
)
def test_a_damaged_record_of_an_attempt_is_named(plan: Plan, tmp_path: Path, damage: dict[str, Any]) -> None:
    stopped(plan, tmp_path, "x", **{"cause": "failed", **damage})
    with pytest.raises(RunError, match=rf"provenance/1\.json: damaged \({next(iter(damage))} is .*\); delete it"):
        told(plan, tmp_path, "x")


def test_a_stopped_run_tells_its_attempts_and_how_it_goes_on(plan: Plan, tmp_path: Path) -> None:
    stopped(
        plan,
        tmp_path,
        "x",
        cause="preempted",
        decided="requeued: preempted, 1 of 100",
        from_step=0,
        to_step=70,
        error="one\nwas stopped by SIGUSR2",
    )
    stopped(
        plan, tmp_path, "x", cause="failed", from_step=70, to_step=90, error="Traceback\nValueError: no", end="later"
    )
    host = socket.gethostname()
    assert told(plan, tmp_path, "x")[:6] == [
        f"{run_of(plan, 'x')}: failed, failed (grid small)",
        f"attempt 1: preempted, updates 0 to 70; 2026-11-24T10:00:00Z to 2026-11-24T10:05:00Z on {host}, job 17",
        "  was stopped by SIGUSR2",
        "  requeued: preempted, 1 of 100",
        f"attempt 2: failed, updates 70 to 90; 2026-11-24T10:00:00Z to later on {host}, job 17",
        "  ValueError: no",
    ]
    logs, retry = f"xstilts logs {run_of(plan, 'x')}", "xstilts retry small --cause failed"
    advice = f"read `{logs} --root {tmp_path}`, mend the cause, then `{retry} --root {tmp_path}`"
    assert told(plan, tmp_path, "x")[-1] == f"next: {advice}"


def test_a_child_points_to_its_parent(plan: Plan, tmp_path: Path) -> None:
    assert told(plan, tmp_path, "a1")[-1] == f"next: it starts once its parent {run_of(plan, 'a')} is completed"
    stopped(plan, tmp_path, "a", cause="failed")
    first, *_, last = told(plan, tmp_path, "a1")
    assert first == f"{run_of(plan, 'a1')}: blocked (grid small)"
    assert last.startswith(f"next: see `xstilts why {run_of(plan, 'a')} --root {tmp_path}`; once that is mended")


def test_a_run_that_goes_on_tells_its_last_update(plan: Plan, tmp_path: Path) -> None:
    planned = plan.runs[run_of(plan, "x")]
    folder = run_folder(tmp_path, planned.run.id)
    folder.prepare(planned.run, planned.request)
    with hold(folder.lease):
        stopped(plan, tmp_path, "x", end="")
        assert told(plan, tmp_path, "x")[-2] == "now: before its first update"
        lines = [json.dumps({"step": step, "task": "x", "loss": 1 / step}) for step in (1, 2)]
        folder.history.write_text("\n".join([*lines, '{"st']), encoding="utf-8")
        assert told(plan, tmp_path, "x")[-2] == "now: after update 2 (x), loss 0.5"
        (folder.trained).mkdir()
        (folder.trained / READY).touch()
        assert told(plan, tmp_path, "x")[-2] == "now: predicting, 0 of 0 languages are done"


def test_a_completed_run_needs_nothing(plan: Plan, tmp_path: Path) -> None:
    complete(plan, tmp_path, "x")
    assert (
        told(plan, tmp_path, "x")[-1] == f"next: nothing; its products are in {tmp_path / 'runs' / run_of(plan, 'x')}"
    )


def test_a_run_of_no_submitted_grid_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is in no submitted grid"):
        explain("xnli_full_s0-0123456789", tmp_path)


def test_the_log_is_printed_and_followed_until_the_run_ends(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no log yet"):
        follow(run_of(plan, "x"), tmp_path, on=False, write=str)
    log = run_folder(tmp_path, run_of(plan, "x")).log
    log.parent.mkdir(parents=True)
    log.write_text("first\n", encoding="utf-8")
    seen: list[str] = []

    def write(text: str) -> None:
        seen.append(text)
        if text == "first\n":
            with log.open("a", encoding="utf-8") as file:
                file.write("second\n")
            stopped(plan, tmp_path, "x", cause="failed")

    assert follow(run_of(plan, "x"), tmp_path, on=True, write=write) == log
    assert "".join(seen) == "first\nsecond\n"
