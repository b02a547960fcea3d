"""How long runs take: overhead and speed of finished runs, by hand."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cost import Sample, Speed, Took, speeds_of, took
from xstilts_hpc.files import write_json
from xstilts_hpc.plan import Plan
from xstilts_hpc.run_folder import run_folder


def test_two_finished_runs_tell_nothing() -> None:
    assert speeds_of([Sample(1, 1), Sample(2, 2)]) == []


def test_overhead_and_speed_are_told_apart() -> None:
    samples = [Sample(work, 30 + 2 * work) for work in (5, 10, 100, 1_000)]
    (speed,) = speeds_of(samples)
    assert (speed.overhead_s, speed.per_work_s, speed.most) == (30, 2, 1_000)
    assert speed.seconds(500) == 1_030


def test_one_odd_run_moves_neither() -> None:
    samples = [Sample(work, 30 + 2 * work) for work in (5, 10, 20, 50, 100, 500, 1_000)]
    (speed,) = speeds_of([*samples, Sample(30, 9_000)])
    assert (speed.overhead_s, speed.per_work_s) == (pytest.approx(30), pytest.approx(2))


def test_runs_of_like_size_tell_only_the_speed() -> None:
    assert speeds_of([Sample(100, 200), Sample(110, 240), Sample(150, 300)]) == [Speed(0, 2, 150)]


def test_neither_figure_is_negative() -> None:
    assert speeds_of([Sample(10, 60), Sample(20, 50), Sample(40, 40)]) == [Speed(50, 0, 40)]
    assert speeds_of([Sample(10, 1), Sample(20, 50), Sample(40, 110)]) == [Speed(0, pytest.approx(109 / 30), 40)]


def test_a_run_four_times_the_largest_is_the_farthest_estimate() -> None:
    speed = Speed(0, 2, 100)
    assert speed.knows(400) and not speed.knows(401)


def attempted(root: Path, plan: Plan, task: str, *attempts: dict[str, Any], done: bool = True) -> None:
    item = plan.runs[run_of(plan, task)]
    folder = run_folder(root, item.run.id)
    folder.prepare(item.run, item.request)
    for number, record in enumerate(attempts, start=1):
        write_json(folder.provenance(number), {"ranks": 2, "profile": "alps", "measured": {}, **record})
    if done:
        folder.commit({}, [], item.request)


def stamp(minute: int) -> str:
    return f"2026-01-01T00:{minute:02}:00Z"


def test_the_attempts_of_a_run_add_up(tmp_path: Path) -> None:
    plan = make_plan({}, ["a"])
    first = {"start": stamp(0), "end": stamp(10), "measured": {"train_s": 400}}
    attempted(tmp_path, plan, "a", first, {"start": stamp(20), "end": stamp(21)}, {"measured": {"predict_s": 7.5}})
    assert took(tmp_path, plan.runs) == {run_of(plan, "a"): Took(2, 667.5)}


def test_only_runs_of_the_profile_count(tmp_path: Path) -> None:
    plan = make_plan({}, ["a", "b", "old"])
    seconds = {"measured": {"train_s": 5}}
    attempted(tmp_path, plan, "a", seconds)
    attempted(tmp_path, plan, "b", {**seconds, "profile": "other"}, seconds)
    attempted(tmp_path, plan, "old", {**seconds, "profile": ""})
    assert took(tmp_path, plan.runs, "alps") == {run_of(plan, "a"): Took(2, 5)}
    assert len(took(tmp_path, plan.runs)) == 3


def test_unfinished_killed_and_changed_runs_do_not_count(tmp_path: Path) -> None:
    plan = make_plan({}, ["unfinished", "killed", "changed", "never"])
    seconds = {"measured": {"train_s": 5}}
    attempted(tmp_path, plan, "unfinished", seconds, done=False)
    attempted(tmp_path, plan, "killed", seconds)
    write_json(run_folder(tmp_path, run_of(plan, "killed")).provenance(2), {"ranks": 2, "end": stamp(3)})
    attempted(tmp_path, plan, "changed", seconds, {**seconds, "ranks": 4})
    assert took(tmp_path, plan.runs) == {}


def test_at_most_two_hundred_records_are_read_evenly(tmp_path: Path) -> None:
    plan = make_plan({}, [f"t{i:03}" for i in range(300)])
    for i in range(300):
        attempted(tmp_path, plan, f"t{i:03}", {"measured": {"train_s": i + 1}})
    found = [run.seconds for run in took(tmp_path, plan.runs).values()]
    assert len(found) == 200 and found[:4] == [1, 2, 4, 5] and found[-1] == 299
