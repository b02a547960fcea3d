"""Nodes are suspicious by what runs met there."""

from pathlib import Path
from typing import Any

from tests.cluster.standing_records import attempted
from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster.nodes import bad_nodes, suspicious


def died(run: str, minute: int, **record: Any) -> tuple[str, dict[str, Any]]:
    return run, {"end": f"2026-01-01T00:{minute:02d}:00Z", "cause": "node_failed", "node": "n1", "error": "", **record}


def test_two_runs_that_died_make_a_node_suspicious_and_one_alone_does_not() -> None:
    assert suspicious([died("a", 1), died("a", 2)]) == []
    (node,) = suspicious([died("b", 3, cause="killed"), died("a", 1), died("a", 2), died("c", 1, node="n2")])
    assert (node.name, node.runs, node.causes) == ("n1", ("a", "b"), {"node_failed": 2, "killed": 1})
    assert str(node).startswith("n1: 2 runs died there (2 node_failed, 1 killed), the last at 2026-01-01T00:03:00Z")


def test_a_run_that_completed_since_clears_a_node() -> None:
    assert suspicious([died("a", 1), died("b", 2), died("c", 3, cause="completed")]) == []
    later = [died("a", 1), died("c", 2, cause="completed"), died("b", 3), died("d", 4)]
    assert [node.runs for node in suspicious(later)] == [("b", "d")]


def test_a_device_error_is_the_nodes_and_another_error_the_runs() -> None:
    broken = "RuntimeError: CUDA error: uncorrectable ECC error encountered"
    assert suspicious([died("a", 1, cause="failed", error="KeyError: 1"), died("b", 2)]) == []
    assert len(suspicious([died("a", 1, cause="failed", error=broken), died("b", 2)])) == 1


def test_attempts_outside_slurm_and_open_ones_say_nothing() -> None:
    assert suspicious([died("a", 1, node=""), died("b", 2, node=""), died("c", 1), died("d", 2, end="")]) == []


def test_the_records_of_a_root_tell(tmp_path: Path) -> None:
    assert bad_nodes(tmp_path) == []
    plan = make_plan({}, ["a", "b"])
    for task in ("a", "b"):
        attempted(plan, tmp_path, task, cause="node_failed", node="n3")
    (node,) = bad_nodes(tmp_path)
    assert (node.name, set(node.runs)) == ("n3", {run_of(plan, "a"), run_of(plan, "b")})
