"""The arrays of a plan, what they wait for and how many elements run at once."""

from dataclasses import replace
from typing import Any

from tests.cluster.trivial_runs import FAMILY, make_plan, run_of, training_run
from xstilts_hpc.cluster.arrays import Array, Pace, arrays_of, dependency_of, paces_of
from xstilts_hpc.cluster.packing import Shape
from xstilts_hpc.plan import Plan, PlannedRun, Stage
from xstilts_hpc.run import Request


def tasks(plan: Plan, array: Array) -> list[str]:
    return [plan.runs[run_id].run.training.task for run_id in array.runs]  # type: ignore[union-attr]


def shape(plan: Plan, **keys: Any) -> list[tuple[list[str], int, str]]:
    arrays = arrays_of(plan, **{"done": [], "queued": {}, "shape": Shape(), **keys})
    return [(tasks(plan, array), array.depends_on, array.after) for array in arrays]


def test_children_line_up_with_their_parents() -> None:
    plan = make_plan(FAMILY, ["none"])
    assert shape(plan) == [
        (["b", "c", "a"], -1, ""),
        (["b1", "c1", "a1"], 0, ""),
        (["b2", "c2"], 0, ""),
        (["b3"], 0, ""),
        (["none"], -1, ""),
    ]
    stages = [array.stage for array in arrays_of(plan, done=[], queued={}, shape=Shape())]
    assert stages[:2] == ["intermediate", "target"]


def test_children_of_done_parents_wait_for_nothing() -> None:
    plan = make_plan(FAMILY)
    assert shape(plan, done=[run_of(plan, "b"), run_of(plan, "b1")]) == [
        (["c", "a"], -1, ""),
        (["c1", "a1"], 0, ""),
        (["c2"], 0, ""),
        (["b2", "b3"], -1, ""),
    ]


def test_children_of_queued_parents_wait_for_that_element() -> None:
    plan = make_plan({"a": ["a1", "a2"]})
    queued = {run_of(plan, "a"): "17_4", run_of(plan, "a2"): "18_0"}
    assert shape(plan, queued=queued) == [(["a1"], -1, "17_4")]


def test_grandchildren_are_left_to_a_later_submission() -> None:
    plan = make_plan({"a": ["a1"]})
    grandchild = training_run("a11", 0, plan.runs[run_of(plan, "a1")].run)
    runs = {**plan.runs, grandchild.id: PlannedRun(grandchild, Stage.TARGET, Request(()))}
    deep = replace(plan, runs=runs)
    assert shape(deep) == [(["a"], -1, ""), (["a1"], 0, "")]
    assert shape(deep, done=[run_of(plan, "a")]) == [(["a1"], -1, ""), (["a11"], 0, "")]


def test_arrays_are_split_at_the_clusters_limit() -> None:
    plan = make_plan({f"p{i}": [f"p{i}c"] for i in range(3)}, ["x", "y", "z"])
    assert shape(plan, shape=Shape(max_array_size=2)) == [
        (["p0", "p1"], -1, ""),
        (["p0c", "p1c"], 0, ""),
        (["p2"], -1, ""),
        (["p2c"], 2, ""),
        (["x", "y"], -1, ""),
        (["z"], -1, ""),
    ]


def array(stage: str, runs: str, **keys: Any) -> Array:
    """Return an array of elements with one run each, a letter per run."""
    return Array(stage, tuple((run_id,) for run_id in runs), **keys)


def test_single_elements_name_their_parents_element() -> None:
    arrays = [
        array("i", "ab"),
        array("t", "cd", depends_on=0),
        array("t", "e", depends_on=0),
        array("i", "a"),
        array("t", "f", depends_on=3),
    ]
    jobs = ["10", "11", "12", "13"]
    assert [dependency_of(each, jobs, arrays) for each in arrays] == [
        "", "aftercorr:10", "afterok:10_0", "", "afterok:13",
    ]  # fmt: skip
    assert dependency_of(array("t", "gh", after="9_3"), jobs, arrays, 1) == "afterok:9_3,afterany:11"


def test_an_array_of_one_pack_is_a_single_element() -> None:
    arrays = [array("i", "ab"), Array("t", (("c", "d"),), 0)]
    assert dependency_of(arrays[1], ["10"], arrays) == "afterok:10_0"


def test_failure_of_an_element_that_others_share_is_not_taken_for_the_parents() -> None:
    plan = make_plan({"a": ["a1"], "b": ["b1"]})
    queued = {run_of(plan, "a"): "17_4", run_of(plan, "b"): "17_4"}
    arrays = arrays_of(plan, done=[], queued=queued, shape=Shape())
    assert [dependency_of(each, [], arrays) for each in arrays] == ["afterany:17_4", "afterany:17_4"]


def test_paces_never_exceed_the_bound_nor_the_number_of_elements() -> None:
    arrays = [array("i", "abcd"), array("t", "efgh", depends_on=0), array("t", "ij", depends_on=0)]
    assert paces_of(arrays, 0) == [Pace(0)] * 3
    assert paces_of(arrays, 15) == [Pace(4), Pace(4), Pace(2)]
    assert paces_of(arrays, 6) == [Pace(3), Pace(2), Pace(1)]
    assert paces_of(arrays, 3) == [Pace(1)] * 3
    assert paces_of(arrays, 2) == [Pace(1), Pace(1), Pace(1, 0)]
