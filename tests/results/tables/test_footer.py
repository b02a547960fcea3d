"""What stands under every table: where its numbers are from."""

from typing import Any

import pytest

from tests.results.tables.test_table import means_of
from xstilts_hpc.results.tables.all_tables import tables
from xstilts_hpc.results.tables.table import by_task


def test_the_footer_says_grid_seeds_split_and_flags(small: Any) -> None:
    footer = by_task(means_of(small)).footer
    assert footer[1].startswith(f"grid small, digest {small.plan().digest[:10]}, data ")
    assert "; xstilts_hpc 0.1.0" in footer[1]
    assert footer[2:] == (
        "seeds: data 0; training 0; target 0 1",
        "n=2 sets of seeds per entry, no spread given",
        "split: XNLI test",
        "cells missing: 0/4",
        "flagged runs: none",
    )


def test_the_footer_names_languages_without_a_labelled_file_in_the_split(builder: Any, xnli_run: Any) -> None:
    builder.absent = {"xnli": ("de", "es", "zh")}
    builder.split_of["xnli"] = "dev"
    builder.cell(xnli_run(0, {"en": 5}), "xnli")
    assert "XNLI: no labelled dev file for de es zh" in by_task(means_of(builder)).footer


@pytest.mark.parametrize(
    ("split", "expected"),
    [("dev", "TyDiQA-GoldP dev (training files of languages that are not trained on)"), ("test", "TyDiQA-GoldP test")],
)
def test_the_footer_says_what_a_dev_split_is_whose_name_does_not(
    builder: Any, span: Any, split: str, expected: str
) -> None:
    builder.split_of["tydiqa"] = split
    builder.cell(builder.run("tydiqa", 0, {"tydiqa": {"fi": span}}), "tydiqa")
    assert f"split: {expected}" in by_task(means_of(builder)).footer


def test_made_up_languages_are_announced_under_every_table(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"qaa": 5}), "xnli")
    found = tables(means_of(builder))
    notice = "These are made-up languages: the numbers mean nothing beyond the demonstration."
    assert all(notice in table.footer for table in found)
