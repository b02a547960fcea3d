"""Which runs share an element, and the time limits of arrays."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster.arrays import arrays_of
from xstilts_hpc.cluster.packing import Shape
from xstilts_hpc.plan import Plan

Row = tuple[list[str], int, int]


def rows(plan: Plan, minutes: Mapping[str, float], **keys: Any) -> list[Row]:
    """Return each array as the tasks of its packs (`a+b` shares an element), the array it waits for, its limit."""
    known = {run_of(plan, task): number for task, number in minutes.items()}
    done = [run_of(plan, task) for task in keys.pop("done", [])]
    queued = {run_of(plan, task): element for task, element in keys.pop("queued", {}).items()}
    shape = Shape(**{"time_min": 600, "pack_min": 60, **keys}, minutes=known)
    names = {run_id: planned.run.training.task for run_id, planned in plan.runs.items() if planned.run.training}
    arrays = arrays_of(plan, done=done, queued=queued, shape=shape)
    return [(["+".join(names[i] for i in pack) for pack in a.packs], a.depends_on, a.time_min) for a in arrays]


@pytest.mark.parametrize(
    ("minutes", "limit"), [(10, 30), (13.4, 60), (60, 120), (70, 120), (80, 240), (300, 480), (1_000, 2_880)]
)
def test_a_time_limit_is_half_as_much_again_and_ten_minutes_rounded_up(minutes: float, limit: int) -> None:
    assert Shape(minutes={"a": minutes}).limit_min([("a",)]) == limit
    assert Shape(minutes={"a": minutes}, time_min=200).limit_min([("a",)]) == min(limit, 200)


def test_the_longest_element_decides_and_an_unknown_one_gets_all() -> None:
    shape = Shape(time_min=600, minutes={"a": 10, "b": 20, "c": 30})
    assert shape.limit_min([("a", "b"), ("c",)]) == 60
    assert shape.limit_min([("a",), ("b", "unknown")]) == 600


def test_nothing_is_packed_without_estimates_or_without_a_wish() -> None:
    plan = make_plan({"a": ["a1", "a2"]}, ["x", "y"])
    apart = [(["a"], -1), (["a1"], 0), (["a2"], 0), (["x", "y"], -1)]
    assert [row[:2] for row in rows(plan, {})] == apart
    assert [row[:2] for row in rows(plan, dict.fromkeys(["a", "a1", "a2", "x", "y"], 1), pack_min=0)] == apart


def test_free_runs_fill_packs_and_long_or_unknown_ones_stand_alone() -> None:
    plan = make_plan({}, ["p", "q", "r", "s", "long", "unknown"])
    minutes = {"p": 10, "q": 20, "r": 30, "s": 10, "long": 90}
    assert rows(plan, minutes) == [(["unknown", "long", "r+q+p", "s"], -1, 600)]


def test_a_small_family_is_one_element_that_waits_for_nothing() -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"], "c": ["c1"]})
    minutes = {"a": 10, "a1": 5, "a2": 5, "b": 20, "b1": 15, "c": 30, "c1": 30}
    assert rows(plan, minutes) == [(["c+c1", "b+b1+a+a1+a2"], -1, 120)]


def test_children_of_one_parent_are_packed_and_line_up_with_their_parents() -> None:
    plan = make_plan({"a": ["a1", "a2", "a3"], "b": ["b1", "b2"]})
    minutes = {"a": 100, "b": 100, "a1": 20, "a2": 50, "a3": 20, "b1": 20, "b2": 30}
    assert rows(plan, minutes) == [(["a", "b"], -1, 240), (["a2", "b2+b1"], 0, 120), (["a1+a3"], 0, 120)]


def test_children_of_queued_parents_share_no_element_with_other_parents_children() -> None:
    plan = make_plan({"a": ["a1", "a2"], "b": ["b1"]})
    minutes = dict.fromkeys(["a1", "a2", "b1"], 5)
    assert rows(plan, minutes, queued={"a": "7_0", "b": "7_1"}) == [(["a1+a2"], -1, 30), (["b1"], -1, 30)]


def test_children_of_done_parents_are_packed_like_free_runs() -> None:
    plan = make_plan({"a": ["a1"], "b": ["b1"]}, ["x"])
    assert rows(plan, dict.fromkeys(["a1", "b1", "x"], 5), done=["a", "b"]) == [(["x+a1+b1"], -1, 60)]


def test_free_runs_of_other_time_limits_make_other_arrays_when_there_are_four() -> None:
    plan = make_plan({}, ["h", "i", "j", "k", "m", "n", "p", "q", "long"])
    minutes = {**dict.fromkeys("hijk", 5), **dict.fromkeys(["m", "n"], 60), **dict.fromkeys(["p", "q"], 100)}
    found = rows(plan, {**minutes, "long": 300}, pack_min=0)
    assert found == [(["h", "i", "j", "k"], -1, 30), (["p", "q", "m", "n"], -1, 240), (["long"], -1, 480)]


def test_a_pack_fits_the_profiles_time_limit() -> None:
    plan = make_plan({}, ["p", "q", "r"])
    # 25 minutes are 37.5 with the margin, 47.5 with the start: two of them would need 85.
    assert rows(plan, dict.fromkeys(["p", "q", "r"], 25), time_min=60) == [(["p", "q", "r"], -1, 60)]


def test_arrays_of_packs_are_split_at_the_clusters_limit() -> None:
    plan = make_plan({}, [f"t{i}" for i in range(10)])
    minutes = {f"t{i}": 30 for i in range(10)}
    assert [len(tasks) for tasks, _, _ in rows(plan, minutes, max_array_size=2)] == [2, 2, 1]


def test_runs_side_by_side_share_elements_without_estimates() -> None:
    plan = make_plan({"a": ["a1", "a2", "a3"]}, ["p", "q", "r"])
    together = {"pack_min": 0, "at_once": 2}
    assert [row[:2] for row in rows(plan, {}, **together)] == [
        (["a"], -1),
        (["a1+a2"], 0),
        (["a3"], 0),
        (["p+q", "r"], -1),
    ]
    assert next(row[:2] for row in rows(plan, {}, **together, done=["a"])) == (["p+q", "r+a1", "a2+a3"], -1)


def test_runs_known_to_be_too_long_together_share_no_element() -> None:
    plan = make_plan({}, ["p", "q", "r"])
    # 250 minutes need 385 of the 600, two of them 760.
    assert rows(plan, dict.fromkeys("pqr", 250), pack_min=0, at_once=2) == [(["p", "q", "r"], -1, 480)]
    assert rows(plan, {"p": 250, "q": 100, "r": 20}, pack_min=0, at_once=2) == [(["p+q", "r"], -1, 600)]


def test_more_runs_than_go_at_once_share_an_element_where_they_are_short() -> None:
    plan = make_plan({}, ["p", "q", "r", "s"])
    assert rows(plan, dict.fromkeys("pqrs", 20), at_once=2) == [(["p+q+r", "s"], -1, 120)]
