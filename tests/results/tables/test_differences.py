"""Gains averaged over the targets, and variants of a training beside the plain one."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from tests.results.conftest import GridBuilder, sequence_logits
from tests.results.tables.test_inference import EXAMPLES, MNLI, add_run, means_of
from xstilts_hpc.results.evidence import Evidence
from xstilts_hpc.results.means import BASELINE
from xstilts_hpc.results.tables.inference import gain_intervals
from xstilts_hpc.results.tables.render import csv_text
from xstilts_hpc.results.tables.table import text
from xstilts_hpc.results.tables.variants import variants_minus_english


@pytest.fixture
def two_targets(builder: GridBuilder) -> GridBuilder:
    """Give three sets of seeds: XNLI gains 10, 12, 14 points; PAWS-X, which is not trained on, gains 4, 6, 8."""
    paws = sequence_logits(100, EXAMPLES, labels=2)
    builder.cell(builder.run("qqp", 0, {"pawsx": {"en": paws, "de": paws}}), "pawsx", seeds=(-1, -1, -1))
    for seed in range(3):
        builder.cell(add_run(builder, seed, 100), "xnli", seeds=(-1, -1, seed))
        builder.cell(add_run(builder, 10 + seed, 120 + 4 * seed), "xnli", size=100, seeds=(seed, seed, seed))
        more = sequence_logits(108 + 4 * seed, EXAMPLES, labels=2)
        run = builder.run("qqp", 10 + seed, {"pawsx": {"en": more, "de": more}})
        builder.cell(run, "pawsx", size=100, seeds=(seed, seed, -1))
    return builder


def test_the_gain_averaged_over_the_targets_has_an_interval_and_a_test(two_targets: GridBuilder) -> None:
    means = means_of(two_targets)
    rows = [[text(cell) for cell in row][2:] for row in gain_intervals(means).rows]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("mean of the targets", "+9.0", "+7.0 +9.0 +11.0"),
        ("PAWS-X", "+6.0", "+4.0 +6.0 +8.0"),
        ("XNLI", "+12.0", "+10.0 +12.0 +14.0"),
    ]
    found = [
        Evidence(means).difference(MNLI, BASELINE, {one: means.languages(one) for one in names}).estimate
        for names in (("xnli", "pawsx"), ("xnli",), ("pawsx",))
    ]
    both, xnli, paws = (one.examples for one in found)
    # test sets of two targets are drawn apart: a quarter of the sum of their variances
    assert both == pytest.approx((xnli + paws) / 4, rel=0.2)


def test_means_of_the_targets_are_corrected_for_their_own_number(two_targets: GridBuilder) -> None:
    mean, *single = csv.DictReader(io.StringIO(csv_text(gain_intervals(means_of(two_targets)))))
    assert mean["p (Holm)"] == mean["p"]
    least = min(single, key=lambda row: float(row["p"]))
    assert float(least["p (Holm)"]) == pytest.approx(2 * float(least["p"]))


def test_a_mean_of_the_targets_lacks_no_run(two_targets: GridBuilder) -> None:
    two_targets.folder(len(two_targets.cells) - 1).done_json.unlink()
    for partial, alone in ((False, "--"), (True, "+5.0 (n=2/3)")):
        means = replace(means_of(two_targets), partial=partial)
        rows = [[text(cell) for cell in row] for row in gain_intervals(means).rows]
        assert (rows[0][3], rows[0][-1]) == ("--", "+7.0 +9.0 --")
        assert rows[1][3] == alone


def test_a_set_of_seeds_with_a_collapsed_run_has_no_part_in_the_mean_without(two_targets: GridBuilder) -> None:
    wrong = replace(sequence_logits(0, EXAMPLES), logits=np.tile(np.eye(3, dtype=np.float32)[0], (EXAMPLES, 1)))
    run = two_targets.run("mnli", 77, {"xnli": {"en": wrong, "sw": wrong}})
    place = next(i for i, cell in enumerate(two_targets.cells) if cell.size and cell.target == "xnli")
    two_targets.cells[place] = replace(two_targets.cells[place], run=run)
    (mean, *_) = csv.DictReader(io.StringIO(csv_text(gain_intervals(means_of(two_targets)))))
    assert mean["gain without collapsed"] == "10.0"


def add_variants(builder: GridBuilder, seeds: int) -> None:
    """Add sets of seeds: English has 100 right answers and one more a set; MLM 10 more, translations 6 fewer."""
    variants = (("", 0, True), ("MLM 0.5 in en sw", 10, True), ("translated ar sw", -6, False))
    for seed in range(seeds):
        builder.cell(add_run(builder, seed, 90), "xnli", seeds=(-1, -1, seed))
        for number, (variant, more, full) in enumerate(variants):
            run = add_run(builder, 10 * seed + number + 100, 100 + seed + more)
            cell = builder.cell(run, "xnli", size=1_000, seeds=(-1 if full else seed, seed, seed))
            builder.cells[-1] = replace(cell, variant=variant, full=full)


def test_variants_are_compared_with_plain_english_of_the_same_seeds(builder: GridBuilder) -> None:
    add_variants(builder, 3)
    rows = list(csv.DictReader(io.StringIO(csv_text(variants_minus_english(means_of(builder))))))
    assert [(row["variant"], row["difference"], row["difference of each set of seeds"]) for row in rows] == [
        ("MLM 0.5 in en sw", "5.0", "+5.0 +5.0 +5.0"),
        ("translated ar sw", "-3.0", "-3.0 -3.0 -3.0"),
    ]
    assert all(float(row["low"]) < float(row["difference"]) < float(row["high"]) for row in rows)
    least = min(float(row["p"]) for row in rows)
    assert min(float(row["p (Holm)"]) for row in rows) == pytest.approx(2 * least)


def test_a_variant_without_its_run_or_its_english_run_has_no_difference(builder: GridBuilder) -> None:
    add_variants(builder, 3)
    builder.folder(1).done_json.unlink()
    means = means_of(builder)
    for partial, shown in ((False, "--"), (True, "+5.0 (n=2/3)")):
        row = [text(cell) for cell in variants_minus_english(replace(means, partial=partial)).rows[0]]
        assert (row[4], row[-1]) == (shown, "-- +5.0 +5.0")


def test_three_subsets_beside_one_english_run_have_no_interval(builder: GridBuilder) -> None:
    add_variants(builder, 1)
    for data in (1, 2):
        cell = builder.cell(add_run(builder, 200 + data, 90), "xnli", size=1_000, seeds=(data, 0, 0))
        builder.cells[-1] = replace(cell, variant="translated ar sw", full=False)
    row = [text(cell) for cell in variants_minus_english(means_of(builder)).rows[1]]
    assert row[4:7] == ["-4.3", "--", "--"] and row[-1] == "-3.0 -5.0 -5.0"


def test_a_variant_without_plain_english_in_its_grid_has_no_row(builder: GridBuilder) -> None:
    add_variants(builder, 3)
    builder.cells = [cell for cell in builder.cells if cell.variant or not cell.size]
    assert not variants_minus_english(means_of(builder)).rows
