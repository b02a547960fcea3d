"""Tables of groups of languages, with expected numbers written out by hand."""

from typing import Any

from tests.results.tables.test_table import means_of, shown
from xstilts_hpc.results.tables.language_groups import by_kind, transfer_gap


def grid(builder: Any, xnli_run: Any) -> Any:
    """Give baseline and MNLI on English, two Germanic languages, Swahili and Yoruba."""
    builder.cell(xnli_run(0, {"en": 8, "de": 6, "nl": 4, "sw": 3, "yo": 1}), "xnli")
    trained = {"en": 9, "de": 7, "nl": 7, "sw": 6, "yo": 4}
    builder.cell(xnli_run(1, trained), "xnli", size=100, seeds=(0, 0, 0))
    return builder


def test_the_gap_is_english_minus_the_rest_and_its_change_is_against_the_baseline(builder: Any, xnli_run: Any) -> None:
    table = transfer_gap(means_of(grid(builder, xnli_run)))
    columns = ("English", "zero-shot", "gap", "change of gap", "in XLM-R", "not in XLM-R")
    assert table.columns == ("intermediate", "examples", "target", *columns)
    # 6 4 3 1 have the mean 3.5 and without Yoruba 4.33; 7 7 6 4 have 6 and 6.67
    assert shown(table) == [
        ["none (baseline)", "", "XNLI", "80.0", "35.0", "45.0", "", "43.3", "10.0"],
        ["MNLI", "100", "XNLI", "90.0", "60.0", "30.0", "-15.0", "66.7", "40.0"],
    ]
    assert table.footer[1].endswith("not in XLM-R: over yo")


def test_families_are_means_over_their_languages_without_english(builder: Any, xnli_run: Any) -> None:
    means = means_of(grid(builder, xnli_run))
    table = by_kind(means, "family")
    assert table.columns[3:] == ("Indo-European", "Niger-Congo")
    assert [row[3:] for row in shown(table)] == [["50.0", "20.0"], ["70.0", "50.0"]]
    assert table.footer[0] == "Indo-European: de nl; Niger-Congo: sw yo"
    assert [row[3:] for row in shown(by_kind(means, "family", gains=True))] == [["+20.0", "+30.0"]]


def test_one_group_alone_is_no_table(builder: Any, xnli_run: Any) -> None:
    assert by_kind(means_of(grid(builder, xnli_run)), "script").rows == ()


def test_a_target_without_english_has_no_gap(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"sw": 3}), "xnli")
    assert transfer_gap(means_of(builder)).rows == ()
