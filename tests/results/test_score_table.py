"""The scores of a grid as one array: means over languages, and NaN wherever a score is missing."""

import math
from collections.abc import Callable
from dataclasses import astuple

import pytest

from tests.results.conftest import GridBuilder
from xstilts_hpc.logits import SpanLogits
from xstilts_hpc.plan import Cell
from xstilts_hpc.results.collect import collect
from xstilts_hpc.results.means import key_of
from xstilts_hpc.results.score_table import score_table
from xstilts_hpc.results.tables.parts import HEADLINE


def key(cell: Cell) -> tuple[str | int | bool, ...]:
    return (*astuple(cell)[:5], cell.target, *key_of(cell)[2])


def test_means_over_languages_are_those_of_each_cell(small: GridBuilder) -> None:
    table = collect("small", small.root).table
    cells = [key(cell) for cell in small.cells]
    assert table.over_languages(cells, HEADLINE, ("en", "sw")).tolist() == pytest.approx([0.4, 0.6, 0.45, 0.55])
    assert table.over_languages(cells, "accuracy", ("sw",)).tolist() == pytest.approx([0.3, 0.5, 0.4, 0.5])


def test_the_headline_is_the_mean_of_its_parts(builder: GridBuilder, span: SpanLogits) -> None:
    cell = builder.cell(builder.run("squad_v1", 0, {"xquad": {"en": span}}), "xquad")
    builder.save()
    table = collect("small", builder.root).table
    found = [table.over_languages([key(cell)], part, ("en",))[0] for part in ("exact_match", "f1", HEADLINE)]
    assert found == pytest.approx([0, 2 / 3, 1 / 3])


def test_what_is_missing_is_nan(small: GridBuilder, xnli_run: Callable[[int, dict[str, int]], str]) -> None:
    only_english = small.cell(xnli_run(7, {"en": 5}), "xnli", size=100, seeds=(5, 5, 5))
    small.save()
    table = collect("small", small.root).table
    cells = [key(only_english), ("nothing",)]
    for part, languages in ((HEADLINE, ("en", "sw")), ("f1", ("en",)), (HEADLINE, ("xx",)), (HEADLINE, ())):
        assert all(map(math.isnan, table.over_languages(cells, part, languages)))
    first, second = table.over_languages(cells, HEADLINE, ("en",))
    assert first == 0.5 and math.isnan(second)


def test_a_grid_without_scores_has_an_empty_table(small: GridBuilder) -> None:
    frame = collect("small", small.root).frame.iloc[:0]
    assert math.isnan(score_table(frame).over_languages([("nothing",)], HEADLINE, ("en",))[0])
