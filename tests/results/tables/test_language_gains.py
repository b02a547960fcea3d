"""The gain in every language, from logits whose scores are known."""

import math
from collections.abc import Mapping

import pytest

from tests.results.conftest import GridBuilder, sequence_logits
from xstilts_hpc.results.collect import gather
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.language_gains import gains_by_language, language_gains
from xstilts_hpc.results.tables.table import text


def means_of(builder: GridBuilder) -> Means:
    return Means(gather(builder.plan(), builder.root))


def add_run(builder: GridBuilder, seed: int, right: Mapping[str, int]) -> str:
    logits = {language: sequence_logits(number, 200) for language, number in right.items()}
    return builder.run("mnli", seed, {"xnli": logits})


@pytest.fixture
def study(builder: GridBuilder) -> GridBuilder:
    """Give three sets of seeds: 100 of 200 right; MNLI adds 1, 0 and -1 in English, and 40, 41 and 42 in Swahili."""
    for seed in range(3):
        builder.cell(add_run(builder, seed, {"sw": 100, "en": 100}), "xnli", seeds=(-1, -1, seed))
        trained = add_run(builder, seed + 10, {"sw": 140 + seed, "en": 101 - seed})
        builder.cell(trained, "xnli", size=100, seeds=(seed, seed, seed))
    builder.save()
    return builder


def test_gains_have_values_by_language_english_first(study: GridBuilder) -> None:
    english, swahili = language_gains(means_of(study))
    assert (english.entry.size, english.target, english.language) == (100, "xnli", "en")
    assert swahili.language == "sw" and swahili.value == pytest.approx(41 / 200)
    assert swahili.found.values == pytest.approx((40 / 200, 41 / 200, 42 / 200))


def test_p_values_are_corrected_for_all_languages(study: GridBuilder) -> None:
    english, swahili = language_gains(means_of(study))
    assert english.value == pytest.approx(0, abs=1e-12)
    assert english.p_value == english.corrected == pytest.approx(1)
    assert swahili.corrected == pytest.approx(2 * swahili.p_value)


def test_the_table_has_a_row_per_language(study: GridBuilder) -> None:
    (table,) = (table for table in tables(means_of(study)) if table.name == "gain_by_language")
    assert table.columns[table.keys - 1 :] == ("language", "gain", "low", "high", "p", "p (FDR)")
    rows = [[text(cell) for cell in row] for row in table.rows]
    assert rows[0][2:5] == ["XNLI", "en", "+0.0"] and rows[0][-2:] == ["1.000", "1.000"]
    assert rows[1][2:5] == ["XNLI", "sw", "+20.5"] and rows[1][-2:] == ["<0.001", "<0.001"]


def test_a_language_that_a_run_lacks_leaves_the_intervals_of_the_others(study: GridBuilder) -> None:
    study.want_other_data(0, "sw")
    means = means_of(study)
    english, swahili = language_gains(means)
    assert english.found.examples and english.found.estimate.known
    assert math.isnan(swahili.value)
    assert not any("over seeds alone" in line for line in gains_by_language(means).footer)


def test_two_sets_of_seeds_have_gains_without_a_test(small: GridBuilder) -> None:
    rows = [[text(cell) for cell in row] for row in gains_by_language(means_of(small)).rows]
    assert [row[3:] for row in rows] == [["en", "+15.0", *["--"] * 4], ["sw", "+15.0", *["--"] * 4]]
    assert all(math.isnan(gain.corrected) for gain in language_gains(means_of(small)))
