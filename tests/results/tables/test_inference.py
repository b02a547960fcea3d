"""Gains with intervals and curves over sizes, from logits whose scores are known."""

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.results.conftest import GridBuilder, sequence_logits
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.evidence import Evidence
from xstilts_hpc.results.figures.size_figure import size_figure
from xstilts_hpc.results.means import Entry, Means
from xstilts_hpc.results.sizes import ALL_TARGETS, fitted, series_of, sets_of, zero_shot_mean
from xstilts_hpc.results.tables.inference import gain_intervals, p_cell, size_curves
from xstilts_hpc.results.tables.language_gains import gains_by_language
from xstilts_hpc.results.tables.render import csv_text, write_parquet
from xstilts_hpc.results.tables.table import text
from xstilts_hpc.statistics.forms import Form

MNLI = Entry("mnli", 100, False, "", "equal_epochs")
EXAMPLES = 200


def means_of(builder: GridBuilder) -> Means:
    return Means(gather(builder.plan(), builder.root))


def add_run(builder: GridBuilder, seed: int, right: int) -> str:
    """Add a run with so many right answers of 200 in English and in Swahili."""
    logits = sequence_logits(right, EXAMPLES)
    return builder.run("mnli", seed, {"xnli": {"en": logits, "sw": logits}})


@pytest.fixture
def sweep(builder: GridBuilder) -> GridBuilder:
    """Give three sets of seeds: baseline 90, 92, 94 right; then 10 more for every factor of ten, and one by one."""
    for seed in range(3):
        builder.cell(add_run(builder, seed, 90 + 2 * seed), "xnli", seeds=(-1, -1, seed))
        for step, size in enumerate((10, 100, 1_000)):
            run = add_run(builder, 10 * (seed + 1) + step, 100 + 10 * step + 3 * seed)
            builder.cell(run, "xnli", size=size, seeds=(seed, seed, seed))
    builder.save()
    return builder


def test_a_gain_is_paired_by_target_seed_and_has_an_interval(sweep: GridBuilder) -> None:
    found = Evidence(means_of(sweep)).gain(MNLI, "xnli", ("en", "sw"))
    assert found.values == pytest.approx((20 / 200, 21 / 200, 22 / 200))
    assert found.estimate.value == pytest.approx(0.105) and found.examples
    low, high = found.estimate.interval()
    # of 200 examples 21 are gained, none lost: a standard error of sqrt(0.105 * 0.895 / 200), and little over seeds
    assert (low, high) == pytest.approx((0.105 - 1.96 * 0.0217, 0.105 + 1.96 * 0.0217), abs=0.005)


def test_translations_of_an_example_are_drawn_together(sweep: GridBuilder) -> None:
    evidence = Evidence(means_of(sweep))
    one, both = (evidence.score(MNLI, "xnli", languages).estimate for languages in (("en",), ("en", "sw")))
    assert both.examples == pytest.approx(one.examples)  # the second language brings nothing new


def test_scores_that_were_not_kept_leave_an_interval_over_seeds(sweep: GridBuilder) -> None:
    means = means_of(sweep)
    for path in (sweep.root / "cache" / "scored").iterdir():
        path.unlink()
    found = Evidence(means).gain(MNLI, "xnli", ("en", "sw"))
    assert not found.examples and found.estimate.known
    for table in (gain_intervals(means), gains_by_language(means), size_curves(means)):
        assert any("over seeds alone" in line for line in table.footer), table.title


def test_other_test_sets_are_not_resampled_together(sweep: GridBuilder) -> None:
    longer = sweep.run("mnli", 77, {"xnli": {"en": sequence_logits(100, 300), "sw": sequence_logits(100, 300)}})
    sweep.cell(longer, "xnli", size=100, seeds=(7, 7, 0))
    assert not Evidence(means_of(sweep)).gain(MNLI, "xnli", ("en", "sw")).examples


def test_the_table_of_gains_lists_seeds_intervals_and_corrected_tests(sweep: GridBuilder) -> None:
    table = gain_intervals(means_of(sweep))
    tests = ("p", "p (Holm)", "p (permutation)", "p (permutation, Holm)")
    assert table.columns[-8:] == ("gain", "low", "high", *tests, "gain of each set of seeds")
    rows = [[text(cell) for cell in row] for row in table.rows]
    assert rows[1][:4] == ["MNLI", "100", "XNLI", "+10.5"] and rows[1][-1] == "+10.0 +10.5 +11.0"
    assert all(row[6] == "<0.001" and row[8:10] == ["--", "--"] for row in rows)
    assert not any("over seeds alone" in line for line in table.footer)
    assert not any("over seeds alone" in line for line in size_curves(means_of(sweep)).footer)


def test_p_values_are_numbers_in_csv_and_parquet_and_null_where_there_is_no_test(sweep: GridBuilder) -> None:
    means = means_of(sweep)
    table = gain_intervals(means)
    p_values = [Evidence(means).gain(entry, "xnli", ("en", "sw")).estimate.p_value() for entry in means.entries[1:]]
    read = pq.read_table(write_parquet(table, sweep.root))
    assert read["p"].to_pylist() == p_values and read["p"].type == "double"
    assert read["p (permutation)"].to_pylist() == [None] * 3 and read["p (permutation)"].type == "double"
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    assert [float(row["p"]) for row in rows] == p_values
    assert [row["p (permutation, Holm)"] for row in rows] == [""] * 3


def test_why_n90_is_not_identified_has_a_column_of_its_own(sweep: GridBuilder) -> None:
    (row,) = csv.DictReader(io.StringIO(csv_text(size_curves(means_of(sweep)))))
    assert [row[name] for name in ("n90", "n90 low", "n90 high", "n90 why not")] == ["", "", "", "fewer than 6 sizes"]
    sweep.folder(1).done_json.unlink()
    (row,) = csv.DictReader(io.StringIO(csv_text(size_curves(means_of(sweep)))))
    assert [row[name] for name in ("curve", "n90", "n90 low", "n90 high", "n90 why not")] == [""] * 5


def test_two_sets_of_seeds_are_listed_without_an_interval(small: Any) -> None:
    (row,) = ([text(cell) for cell in row] for row in gain_intervals(means_of(small)).rows)
    assert row[3:] == ["+15.0", *["--"] * 6, "+20.0 +10.0"]


def test_six_sets_of_seeds_have_a_permutation_test(builder: GridBuilder) -> None:
    for seed in range(6):
        builder.cell(add_run(builder, seed, 100), "xnli", seeds=(-1, -1, seed))
        for size, more in ((10, 5 + seed), (100, 5 * (-1) ** seed)):
            run = add_run(builder, 10 * seed + size, 100 + more)
            builder.cell(run, "xnli", size=size, seeds=(seed, seed, seed))
    rows = [[text(cell) for cell in row] for row in gain_intervals(means_of(builder)).rows]
    assert [row[8:10] for row in rows] == [["0.031", "0.062"], ["1.000", "1.000"]]


def test_a_missing_run_leaves_the_gain_blank_and_shows_the_others(sweep: GridBuilder) -> None:
    sweep.folder(1).done_json.unlink()
    rows = [[text(cell) for cell in row] for row in gain_intervals(means_of(sweep)).rows]
    assert rows[0][3:7] == ["--", "--", "--", "--"] and rows[0][-1].count("--") == 1


def test_the_slope_is_per_factor_of_ten(sweep: GridBuilder) -> None:
    (row,) = size_curves(means_of(sweep)).rows
    assert [text(cell) for cell in row][:5] == [
        "MNLI",
        "XNLI",
        "+5.0",
        "+3.0",
        "+7.0",
    ]  # over two factors 20 of 200 examples
    assert [text(cell) for cell in row][-4] == "3: 10 to 1,000"
    assert [text(cell) for cell in row][-1] == "not identified: fewer than 6 sizes"


def test_a_slope_is_over_all_sizes_or_blank(builder: GridBuilder) -> None:
    """Scores are 50 % up to 1,000 examples and 90 % with 10,000, where one of four sets of seeds is not finished."""
    for seed in range(4):
        builder.cell(add_run(builder, seed, 100), "xnli", seeds=(-1, -1, seed))
        for step, (size, right) in enumerate({10: 100, 100: 100, 999: 100, 10_000: 180}.items()):
            run = add_run(builder, 10 * (seed + 1) + step, right + seed)
            builder.cell(run, "xnli", size=size, seeds=(seed, seed, seed))
    whole, *_ = _slopes(means_of(builder))
    builder.folder(len(builder.cells) - 1).done_json.unlink()
    assert _slopes(means_of(builder)) == ["--", "--", "--", "--", "4: 10 to 10,000"]
    assert _slopes(replace(means_of(builder), partial=True))[0] == f"{whole} (n=3/4)"
    for number in range(4, len(builder.cells), 5):
        builder.folder(number).done_json.unlink(missing_ok=True)
    # nothing of the largest size is there, so the slope up to the next one is not taken for that of all
    assert _slopes(replace(means_of(builder), partial=True)) == ["--", "--", "--", "--", "4: 10 to 10,000"]


def _slopes(means: Means) -> list[str]:
    (row,) = size_curves(means).rows
    return [text(cell) for cell in row][2:-3]


def test_two_sets_of_seeds_have_their_slopes_listed_and_no_curve(sweep: GridBuilder) -> None:
    sweep.cells = [cell for cell in sweep.cells if cell.target_seed < 2]
    (row,) = ([text(cell) for cell in row] for row in size_curves(means_of(sweep)).rows)
    unknown = "not identified: fewer than 3 sets of seeds"
    assert row[2:] == ["+5.0", "--", "--", "--", "3: 10 to 1,000", "+5.0 +5.0", "--", unknown]


def test_a_set_of_seeds_with_a_run_missing_has_no_slope(sweep: GridBuilder) -> None:
    sweep.folder(1).done_json.unlink()
    (row,) = ([text(cell) for cell in row] for row in size_curves(means_of(sweep)).rows)
    assert (row[2], row[-3]) == ("--", "-- +5.0 +5.0")


@pytest.mark.parametrize("data_seed", [-1, 0])  # 0 in plans that older versions wrote
def test_a_full_training_set_belongs_to_every_data_seed(sweep: GridBuilder, data_seed: int) -> None:
    sweep.cells = [replace(cell, full=False) for cell in sweep.cells]
    for seed in range(3):
        run = add_run(sweep, 60 + seed, 130 + 3 * seed)
        cell = sweep.cell(run, "xnli", size=10_000, seeds=(data_seed, seed, seed))
        sweep.cells[-1] = replace(cell, full=True)
    means = means_of(sweep)
    (row,) = size_curves(means).rows
    assert [text(cell) for cell in row][:3] == ["MNLI", "XNLI", "+5.0"]
    (series,) = series_of(means)
    assert sets_of(means, series, "xnli") == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


def test_a_size_with_one_run_for_all_sets_is_no_part_of_the_slope(sweep: GridBuilder) -> None:
    sweep.cells = [replace(cell, full=False) for cell in sweep.cells if cell.size]
    sweep.cell(add_run(sweep, 90, 90), "xnli")
    sweep.cells = [cell if not cell.size else replace(cell, train_seed=0, target_seed=0) for cell in sweep.cells]
    sweep.cell(add_run(sweep, 91, 180), "xnli", size=10_000, seeds=(-1, 0, 0))
    sweep.cells[-1] = replace(sweep.cells[-1], full=True)
    means = means_of(sweep)
    (row,) = ([text(cell) for cell in row] for row in size_curves(means).rows)
    assert (row[2], row[-4]) == ("+5.0", "3 of 4: 10 to 1,000")
    (plain,) = csv.DictReader(io.StringIO(csv_text(size_curves(means))))
    assert [plain[f"sizes{name}"] for name in ("", " asked", " smallest", " largest")] == ["3", "4", "10", "1000"]
    gains = [[text(cell) for cell in row] for row in gain_intervals(means).rows]
    # one run of the baseline, so gains are listed without an interval
    assert [(row[3], row[4], row[-1]) for row in gains[1:]] == [
        ("+11.5", "--", "+10.0 +11.5 +13.0"),
        ("+16.5", "--", "+15.0 +16.5 +18.0"),
        ("+45.0", "--", "+45.0"),
    ]


@pytest.mark.parametrize("baseline", [-1, 0])
def test_a_baseline_that_is_not_trained_takes_no_three_runs(builder: GridBuilder, baseline: int) -> None:
    builder.cell(add_run(builder, 0, 100), "xnli", seeds=(-1, -1, baseline))
    for seed in range(3):
        builder.cell(add_run(builder, seed + 1, 120 + seed), "xnli", size=10, seeds=(seed, seed, baseline))
    found = Evidence(means_of(builder)).gain(replace(MNLI, size=10), "xnli", ("en", "sw"))
    assert found.estimate.known == (baseline == -1)


def test_the_mean_of_the_targets_has_a_curve_of_its_own(builder: GridBuilder) -> None:
    for seed in range(3):
        for step, size in enumerate((0, 10, 100, 1_000)):
            seeds = (seed, seed, seed) if size else (-1, -1, seed)
            builder.cell(add_run(builder, 10 * seed + step, 100 + 10 * step), "xnli", size=size, seeds=seeds)
            german = sequence_logits(100 + 2 * step, EXAMPLES, labels=2)
            logits = {"pawsx": {"en": sequence_logits(100, EXAMPLES, labels=2), "de": german}}
            # a target that is not trained on has no target seed
            unseeded = (seed, seed, -1) if size else (-1, -1, -1)
            if size or not seed:
                builder.cell(builder.run("qqp", 10 * seed + step, logits), "pawsx", size=size, seeds=unseeded)
    means = means_of(builder)
    rows = [[text(cell) for cell in row][1:3] for row in size_curves(means).rows]
    assert rows == [["mean of the targets", "+3.0"], ["XNLI", "+5.0"], ["PAWS-X", "+1.0"]]
    (series,) = series_of(means)
    assert sets_of(means, series, ALL_TARGETS) == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
    assert [round(zero_shot_mean(means, entry, ALL_TARGETS).value, 4) for entry in means.entries] == [
        0.5,
        0.53,
        0.56,
        0.59,
    ]
    figure = size_figure(means, ALL_TARGETS)
    assert figure.name == "size_mean"
    assert list(figure.figure.axes[0].lines[0].get_ydata()) == pytest.approx([53, 56, 59])


def test_a_known_curve_is_found(builder: GridBuilder) -> None:
    sizes = (10, 32, 100, 316, 1_000, 3_162, 10_000)
    truth = 0.9 - 1.2 * (np.array([0, *sizes]) + 15.0) ** -0.45
    random = np.random.default_rng(0)
    for seed in range(4):
        right = np.round(2_000 * (truth + random.normal(0, 0.002, len(truth)))).astype(int)
        for size, number in zip((0, *sizes), right.tolist(), strict=True):
            logits = sequence_logits(number, 2_000)
            run = builder.run(
                "mnli", 100 * seed + sizes.index(size) if size else 100 * seed + 50, {"xnli": {"sw": logits}}
            )
            builder.cell(run, "xnli", size=size, seeds=(seed, seed, seed) if size else (-1, -1, seed))
    means = means_of(builder)
    (series,) = series_of(means)
    found = fitted(means, series, "xnli")
    assert found is not None and found.best.form is Form.POWER
    n90 = 15 * (0.1 ** (-1 / 0.45) - 1)
    assert found.why_not == "" and found.n90_interval[0] <= n90 <= found.n90_interval[1]
    table = size_curves(means)
    assert text(table.rows[0][-2]) == "power law"
    read = pq.read_table(write_parquet(table, builder.root))
    assert [read[name][0].as_py() for name in read.column_names[-4:]] == [found.n90, *found.n90_interval, None]


@pytest.mark.parametrize(("value", "shown"), [(0.04999, "0.050"), (0.0004, "<0.001"), (float("nan"), "--")])
def test_p_values_as_they_are_shown(value: float, shown: str) -> None:
    assert text(p_cell(value)) == shown
