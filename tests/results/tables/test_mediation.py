"""Own dev scores beside transfer, with expected numbers written out by hand."""

from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.results.tables.test_table import means_of, shown
from xstilts_hpc.results.figures.mediation_figure import mediation_figure
from xstilts_hpc.results.sizes import series_of
from xstilts_hpc.results.tables.mediation import intermediate, mediation, pairs
from xstilts_hpc.results.tables.render import write_parquet

# size, seed, right of ten on the own dev set, right of ten in Swahili
RUNS = ((100, 0, 3, 2), (100, 1, 4, 1), (1000, 0, 7, 6), (1000, 1, 8, 5))


@pytest.fixture
def swept(builder: Any, sequence: Any) -> Any:
    """Give two sizes with two sets of seeds: transfer rises with size, and falls with the own score within a size."""
    for size, seed, own, transfer in RUNS:
        parent = builder.run("mnli", size + seed, {"mnli": {"en": sequence(own)}})
        builder.cell(parent, "mnli", size=size, seeds=(seed, seed, -1))
        logits = {"xnli": {"en": sequence(9), "sw": sequence(transfer)}}
        builder.cell(builder.run("xnli", seed, logits, parent), "xnli", size=size, seeds=(seed, seed, seed))
    return builder


def test_each_run_is_paired_with_the_dev_score_of_its_own_intermediate_training(swept: Any) -> None:
    means = means_of(swept)
    (series,) = series_of(means)
    found = [(pair.entry.size, pair.own, pair.transfer) for pair in pairs(means, series, "xnli")]
    assert found == [(size, own / 10, transfer / 10) for size, _, own, transfer in RUNS]


def test_gains_stand_beside_the_dev_score(swept: Any, sequence: Any) -> None:
    for seed in (0, 1):
        logits = {"xnli": {"en": sequence(9), "sw": sequence(2)}}
        swept.cell(swept.run("xnli", 50 + seed, logits), "xnli", seeds=(-1, -1, seed))
    table = intermediate(means_of(swept))
    assert table.columns == ("intermediate", "examples", "dev set", "metric", "score", "XNLI gain")
    # English stays at 90; Swahili 15 and 55 minus 20, halved
    assert shown(table) == [
        ["MNLI", "100", "MNLI", "accuracy", "35.0", "-2.5"],
        ["MNLI", "1,000 (full)", "MNLI", "accuracy", "75.0", "+17.5"],
    ]


def test_what_both_owe_to_size_is_taken_off_within_sizes(swept: Any) -> None:
    table = mediation(means_of(swept))
    assert table.columns == ("intermediate", "target", "runs", "rank correlation", "within sizes", "slope")
    # ranks 1 2 3 4 and 2 1 4 3; deviations -.5 +.5 and +.5 -.5 at either size;
    # slope: deviations -2.5 -1.5 1.5 2.5 from 5.5 times -1.5 -2.5 2.5 1.5 from 3.5 is 15, over 17
    assert shown(table) == [["MNLI", "XNLI", "4", "0.60", "-1.00", "0.88"]]
    read = pq.read_table(write_parquet(table, swept.root))
    assert [read[name][0].as_py() for name in table.columns[-3:]] == pytest.approx([0.6, -1, 15 / 17])


def test_fewer_than_four_runs_have_no_correlation(swept: Any) -> None:
    swept.cells = swept.cells[2:]
    assert shown(mediation(means_of(swept))) == [["MNLI", "XNLI", "3", "--", "--", "--"]]


def test_without_dev_scores_there_is_neither_table_nor_figure(small: Any) -> None:
    means = means_of(small)
    assert mediation(means).rows == ()
    assert mediation_figure(means, "xnli") is None


def test_the_line_goes_through_the_means_of_the_sizes(swept: Any) -> None:
    drawn = mediation_figure(means_of(swept), "xnli")
    assert drawn is not None
    (line,) = drawn.figure.axes[0].lines
    assert list(line.get_xdata()) == pytest.approx([35, 75])
    assert list(line.get_ydata()) == pytest.approx([15, 55])
