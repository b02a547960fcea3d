"""Runs counted by the axes of a grid."""

import io
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console
from rich.table import Table

from tests.cluster.trivial_runs import make_plan, run_of
from xstilts_hpc.cluster.axes import check_axes, counts, status_table
from xstilts_hpc.cluster.status import State
from xstilts_hpc.errors import GridError
from xstilts_hpc.plan import UNUSED_SEED, Cell, Plan


def planned() -> Plan:
    """Return a plan of two intermediate trainings with two targets each, and a baseline for two targets at once."""
    plan = make_plan({"mnli": ["a1", "a2"], "qqp": ["b1"]}, ["squad_v1"])
    plain = Cell("none", 0, False, "", "", UNUSED_SEED, UNUSED_SEED, 0, "xquad", run_of(plan, "squad_v1"))
    mnli = replace(plain, intermediate="mnli", size=100, data_seed=3, target="panx", run=run_of(plan, "a1"))
    cells = [
        *(plain, replace(plain, target="mlqa"), mnli),
        *(replace(mnli, target="xnli", run=run_of(plan, "a2")), replace(mnli, target="mnli", run=run_of(plan, "mnli"))),
        replace(mnli, intermediate="qqp", size=10, variant="translated de", run=run_of(plan, "b1")),
    ]
    return replace(plan, cells=tuple(cells))


def rows(plan: Plan, by: Sequence[str]) -> dict[tuple[str, ...], int]:
    found = dict.fromkeys(plan.runs, State.ELIGIBLE)
    return {row: numbers.total() for row, numbers in counts(plan, found, by).items()}


def test_a_run_counts_where_its_cells_stand() -> None:
    assert rows(planned(), ["intermediate"]) == {
        ("intermediate", "mnli"): 1, ("intermediate", "qqp"): 1,
        ("target", "mnli"): 2, ("target", "none"): 1, ("target", "qqp"): 1,
    }  # fmt: skip


def test_a_run_without_cells_counts_where_those_of_its_children_stand() -> None:
    assert rows(planned(), ["size", "variant"]) == {
        ("intermediate", "10", "translated de"): 1, ("intermediate", "100", "-"): 1,
        ("target", "0", "-"): 1, ("target", "10", "translated de"): 1, ("target", "100", "-"): 2,
    }  # fmt: skip


def test_intermediate_training_serves_every_target_and_one_run_may_serve_two() -> None:
    assert rows(planned(), ["target"]) == {
        ("intermediate", "-"): 2,
        ("target", "mlqa"): 1, ("target", "panx"): 2, ("target", "xnli"): 1, ("target", "xquad"): 1,
    }  # fmt: skip


def test_sizes_are_in_the_order_of_numbers_and_seeds_that_do_not_apply_are_dashes() -> None:
    assert list(rows(planned(), ["data_seed"]))[1:] == [("target", "-"), ("target", "3")]
    assert [row[1] for row in rows(planned(), ["size"]) if row[0] == "target"] == ["0", "10", "100"]


def test_the_table_counts_each_run_once_in_its_last_row_and_leaves_out_an_axis_without_values() -> None:
    found = dict.fromkeys(planned().runs, State.ELIGIBLE)
    lines = [line.split() for line in drawn(status_table(planned(), found, ["target", "schedule"]))]
    assert ["stage", "target", "eligible", "runs"] in lines
    assert lines[-1] == ["all", "6", "6"]


def drawn(table: Table) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=100).print(table)
    lines = ["".join(c if c.isprintable() and ord(c) < 128 else " " for c in x) for x in screen.getvalue().splitlines()]
    return [line for line in lines if line.strip()]


def test_a_mistyped_axis_is_named_with_the_nearest() -> None:
    with pytest.raises(GridError, match=r"--by seed_data: .*'data_seed'|valid: .*data_seed"):
        check_axes(["intermediate", "seed_data"])
