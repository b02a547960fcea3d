"""Collapsed runs: which are found, and means with and without them."""

from typing import Any

import numpy as np

from tests.results.tables.test_table import means_of, shown
from xstilts_hpc.logits import SequenceLogits
from xstilts_hpc.results.collapsed import collapsed
from xstilts_hpc.results.tables.inference import gain_intervals, size_curves
from xstilts_hpc.results.tables.table import by_task, gains


def one_label(examples: int = 9) -> SequenceLogits:
    """Give logits that say the first of three labels of every example; a third of the gold labels are that."""
    logits = np.tile(np.array([[1, 0, 0]], dtype=np.float32), (examples, 1))
    return SequenceLogits(tuple(f"e{i}" for i in range(examples)), logits, np.arange(examples) % 3)


def add(builder: Any, sequence: Any, seed: int, *, english: Any, swahili: Any, trained: bool) -> None:
    run = builder.run("mnli", seed + 10 * trained, {"xnli": {"en": english, "sw": swahili}})
    seeds = (seed, seed, seed) if trained else (-1, -1, seed)
    builder.cell(run, "xnli", size=100 if trained else 0, seeds=seeds)


def test_both_columns_are_shown_where_a_run_collapsed(builder: Any, sequence: Any) -> None:
    for seed in range(4):
        add(builder, sequence, seed, english=sequence(4), swahili=sequence(4), trained=False)
        collapses = seed == 3
        right = one_label() if collapses else sequence(8)
        add(builder, sequence, seed, english=right, swahili=sequence(6), trained=True)
    means = means_of(builder)
    assert {(entry.size, seeds) for entry, _, seeds in collapsed(means)} == {(100, (3, 3, 3))}
    table = by_task(means)
    assert table.columns[-4:] == ("mean", "gain", "mean without collapsed", "gain without collapsed")
    # 70 in three runs, (33.3 + 60) / 2 in the fourth
    assert shown(table)[1][-4:] == ["64.2", "+24.2", "70.0", "+30.0"]
    assert shown(table)[0][-2:] == ["40.0", ""]
    row = shown(gain_intervals(means))[0]
    assert row[3] == "+24.2"
    assert row[-3] == "+30.0"
    table = gains(means)
    assert table.columns[-2:] == ("mean", "mean without collapsed")
    assert shown(table)[0][-2:] == ["+24.2", "+30.0"]


def test_a_slope_stands_without_collapsed_runs_too(builder: Any, sequence: Any) -> None:
    """Two, four and six of ten right at three sizes, but for one run of the largest, which collapsed."""
    for seed in range(4):
        for size, right in ((10, 2), (100, 4), (1000, 6)):
            collapses = seed == 3 and size == 1000
            languages = (
                {"en": one_label(), "sw": sequence(2)} if collapses else dict.fromkeys(("en", "sw"), sequence(right))
            )
            builder.cell(
                builder.run("mnli", 10 * seed + right, {"xnli": languages}), "xnli", size=size, seeds=(seed,) * 3
            )
    table = size_curves(means_of(builder))
    (row,) = (dict(zip(table.columns, line, strict=True)) for line in shown(table))
    assert row["slope"] == "+15.0"
    assert row["slope without collapsed"] == "+20.0"
    assert 0 < float(row["low without collapsed"]) < 20 < float(row["high without collapsed"])


def test_one_label_in_a_language_never_trained_on_is_no_collapse(builder: Any, sequence: Any) -> None:
    add(builder, sequence, 0, english=sequence(5), swahili=one_label(), trained=False)
    means = means_of(builder)
    assert not collapsed(means)
    assert "gain without collapsed" not in by_task(means).columns


def test_a_gain_over_a_collapsed_baseline_is_left_out(builder: Any, sequence: Any) -> None:
    for seed in range(3):
        right = one_label() if seed == 0 else sequence(4)
        add(builder, sequence, seed, english=right, swahili=sequence(4), trained=False)
        add(builder, sequence, seed, english=sequence(8), swahili=sequence(8), trained=True)
    assert shown(by_task(means_of(builder)))[1][-1] == "+40.0"


def test_what_follows_a_collapsed_intermediate_training_has_collapsed(builder: Any, sequence: Any) -> None:
    for seed in (0, 1):
        own = one_label() if seed == 0 else sequence(8)
        parent = builder.run("mnli", seed, {"mnli": {"en": own}})
        builder.cell(parent, "mnli", size=100, seeds=(seed, seed, -1))
        child = builder.run("xnli", seed, {"xnli": {"en": sequence(6), "sw": sequence(6)}}, parent)
        builder.cell(child, "xnli", size=100, seeds=(seed, seed, 0))
    found = {(target, seeds) for _, target, seeds in collapsed(means_of(builder))}
    assert found == {("mnli", (0, 0, -1)), ("xnli", (0, 0, 0))}
