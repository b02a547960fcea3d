"""Two schedules of one grid stand side by side in every table."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.sizes import series_of
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.table import Table, text

RIGHT = {"equal_epochs": {100: 5, 316: 6}, "equal_steps": {100: 4, 316: 8}}


@pytest.fixture
def means(builder: Any, xnli_run: Callable[..., str]) -> Means:
    """Give MNLI with 100 and 316 examples under both schedules, 30 % being the baseline."""
    builder.cell(xnli_run(0, {"en": 3, "sw": 3}), "xnli")
    for schedule, sizes in RIGHT.items():
        for size, right in sizes.items():
            run = xnli_run(10 * size + right, {"en": right, "sw": right})
            builder.cell(run, "xnli", size=size, seeds=(0, 0, 0))
            builder.cells[-1] = replace(builder.cells[-1], schedule=schedule)
    return Means(gather(builder.plan(), builder.root))


def shown(table: Table) -> list[list[str]]:
    return [[text(cell) for cell in row] for row in table.rows]


def test_a_row_for_each_size_and_schedule_with_the_gain_over_the_same_baseline(means: Means) -> None:
    by_task = tables(means)[0]
    assert by_task.columns == ("intermediate", "examples", "schedule", "XNLI", "mean", "gain")
    assert shown(by_task) == [
        ["none (baseline)", "", "", "30.0", "30.0", ""],
        ["MNLI", "100", "equal_epochs", "50.0", "50.0", "+20.0"],
        ["MNLI", "100", "equal_steps", "40.0", "40.0", "+10.0"],
        ["MNLI", "316", "equal_epochs", "60.0", "60.0", "+30.0"],
        ["MNLI", "316", "equal_steps", "80.0", "80.0", "+50.0"],
    ]


def test_every_table_of_intermediate_trainings_has_the_column(means: Means) -> None:
    keyed = [table for table in tables(means) if table.columns[:2] == ("intermediate", "examples")]
    assert len(keyed) >= 3
    for table in keyed:
        assert "schedule" in table.columns, table.title
        assert {"equal_epochs", "equal_steps"} <= {cell for row in shown(table) for cell in row}, table.title


def test_each_schedule_has_a_curve_of_its_own(means: Means) -> None:
    curves = [[(entry.schedule, entry.size) for entry in series.entries] for series in series_of(means)]
    assert sorted(curves) == [[(schedule, 100), (schedule, 316)] for schedule in RIGHT]
