"""Parts of a metric that tables show apart from its headline, with expected numbers written out by hand."""

from typing import Any

import numpy as np
import pytest

from xstilts_hpc.logits import TokenLogits
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.mediation import intermediate
from xstilts_hpc.results.tables.table import Table, by_language, by_task, gains, text
from xstilts_hpc.tasks import task_of


def means_of(builder: Any, *, partial: bool = False) -> Means:
    return Means(gather(builder.plan(), builder.root), partial)


def shown(table: Table) -> list[list[str]]:
    return [[text(cell) for cell in row] for row in table.rows]


def pos_logits() -> TokenLogits:
    """Give one sentence NOUN NOUN VERB that is tagged NOUN VERB VERB: no chunk is right, two words of three are."""
    labels = task_of("udpos").labels
    noun, verb = labels.index("NOUN"), labels.index("VERB")
    logits = np.eye(len(labels), dtype=np.float32)[[noun, verb, verb]]
    return TokenLogits(("s",), logits, np.array([0, 3]), np.array([noun, noun, verb]))


def test_exact_match_and_f1_stand_under_their_mean(builder: Any, span: Any) -> None:
    builder.cell(builder.run("squad_v1", 0, {"xquad": {"en": span, "de": span}}), "xquad")
    (table,) = by_language(means_of(builder))
    assert table.columns == ("intermediate", "examples", "metric", "en", "de", "all", "zero-shot")
    assert table.keys == 3
    assert shown(table) == [
        ["none (baseline)", "", "EM and F1", *["33.3"] * 4],
        ["none (baseline)", "", "exact match", *["0.0"] * 4],
        ["none (baseline)", "", "F1", *["66.7"] * 4],
    ]
    assert "EM and F1: mean of exact match and F1" in table.footer


def test_word_accuracy_stands_under_the_chunk_f1_and_precision_does_not(builder: Any) -> None:
    builder.cell(builder.run("udpos", 0, {"udpos": {"de": pos_logits()}}), "udpos")
    (table,) = by_language(means_of(builder))
    assert table.title == "UDPOS by language, per cent"
    assert shown(table) == [
        ["none (baseline)", "", "chunk F1", "0.0", "0.0", "0.0"],
        ["none (baseline)", "", "word accuracy", "66.7", "66.7", "66.7"],
    ]


@pytest.mark.parametrize("target", ["xnli", "panx"])
def test_a_metric_of_one_part_needs_no_column(builder: Any, sequence: Any, tokens: Any, target: str) -> None:
    logits = {"xnli": sequence(5), "panx": tokens}[target]
    builder.cell(builder.run("mnli", 0, {target: {"en": logits}}), target)
    (table,) = by_language(means_of(builder))
    assert table.columns == ("intermediate", "examples", "en", "all")
    assert len(table.rows) == 1


def test_an_intermediate_task_is_a_row_per_part_of_its_metric(builder: Any, sequence: Any) -> None:
    run = builder.run("qqp", 0, {"qqp": {"en": sequence(9, labels=2)}})
    builder.cell(run, "qqp", size=100, seeds=(0, 0, -1))
    # Gold is 0 1 five times, the last 1 is taken for a 0: accuracy 0.9, precision 1, recall 0.8, F1 8/9.
    assert [row[2:] for row in shown(intermediate(means_of(builder)))] == [
        ["QQP", "accuracy and F1", "89.4"],
        ["QQP", "accuracy", "90.0"],
        ["QQP", "F1", "88.9"],
    ]


def test_each_part_is_averaged_over_seeds_with_its_spread(builder: Any, sequence: Any) -> None:
    for seed, right in enumerate((8, 9, 10)):
        run = builder.run("qqp", seed, {"qqp": {"en": sequence(right, labels=2)}})
        builder.cell(run, "qqp", size=100, seeds=(seed, 0, -1))
    # F1 0.8, 8/9 and 1.
    assert [row[4] for row in shown(intermediate(means_of(builder)))] == ["89.8 ± 10.0", "90.0 ± 10.0", "89.6 ± 10.0"]


def test_a_part_is_blank_where_a_member_is_missing_or_says_its_members(builder: Any, span: Any) -> None:
    builder.cell(builder.run("squad_v1", 0, {"xquad": {"en": span}}), "xquad", seeds=(-1, -1, 0))
    builder.cell(builder.planned("squad_v1", 1, {"xquad": ["en"]}), "xquad", seeds=(-1, -1, 1))
    assert [row[3] for row in shown(next(by_language(means_of(builder))))] == ["--", "--", "--"]
    partial = shown(next(by_language(means_of(builder, partial=True))))
    assert [row[3] for row in partial] == ["33.3 (n=1/2)", "0.0 (n=1/2)", "66.7 (n=1/2)"]


def test_parts_are_shown_even_where_nothing_is_scored(builder: Any) -> None:
    builder.cell(builder.planned("squad_v1", 0, {"xquad": ["en"]}), "xquad")
    (table,) = by_language(means_of(builder))
    assert [row[2] for row in shown(table)] == ["EM and F1", "exact match", "F1"]


def test_tables_of_tasks_and_gains_keep_the_mean_of_the_parts(builder: Any, span: Any) -> None:
    builder.cell(builder.run("squad_v1", 0, {"xquad": {"en": span}}), "xquad")
    builder.cell(builder.run("squad_v1", 1, {"xquad": {"en": span}}), "xquad", size=100, seeds=(0, 0, 0))
    means = means_of(builder)
    assert [row[2] for row in shown(by_task(means))] == ["33.3", "33.3"]
    assert shown(gains(means)) == [["MNLI", "100", "+0.0", "+0.0"]]
