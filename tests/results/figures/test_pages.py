"""Every figure of a wide grid fits a page, with nothing cut off and no text too small to read in print."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from matplotlib.text import Text

from tests.results.conftest import GridBuilder
from xstilts_hpc.plan import Cell
from xstilts_hpc.results.collect import COLUMNS, Scores
from xstilts_hpc.results.figures.all_figures import figures
from xstilts_hpc.results.figures.heat_map import heat_maps
from xstilts_hpc.results.means import Means
from xstilts_hpc.results.tables.language_gains import language_gains
from xstilts_hpc.tasks import task_of

TASKS = ("anli", "mnli", "qqp", "squad_v1", "squad_v2", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
SIZES = (100, 1_000, 10_000, 31_623, 100_000)
# PAN-X has the most languages of all targets.
PLAIN = {"targets": ("panx", "mlqa"), "schedules": ("equal_epochs",), "variant": ""}
LONG_NAMES = {"targets": ("mlqa",), "schedules": ("equal_epochs", "equal_steps"), "variant": "MLM 0.5 in ar bg de el"}


def wide(
    builder: GridBuilder, seeds: int, *, targets: tuple[str, ...], schedules: tuple[str, ...], variant: str
) -> Means:
    """Return the means of nine intermediate tasks at five sizes; the largest size of all lacks the last seed."""
    entries = [(name, size, schedule) for name in TASKS for size in SIZES for schedule in schedules]
    rows = []
    for number, (name, size, schedule) in enumerate([("none", 0, ""), *entries]):
        for seed in range(seeds):
            asks = {**{target: task_of(target).languages for target in targets}, **({name: ("en",)} if size else {})}
            run = builder.planned("mnli", seeds * number + seed, asks)
            named = Cell(name, size, False, variant if size else "", schedule, seed, seed, seed, "", run)
            cells = [replace(named, target=target) for target in asks]
            if not size:
                cells = [replace(cell, data_seed=-1, train_seed=-1) for cell in cells]
            builder.cells += cells
            if size < SIZES[-1] or seed < seeds - 1:
                rows += [row for cell in cells for row in scored(cell, 0.5 + 0.001 * (number % 7) + 0.01 * seed)]
    frame = pd.DataFrame(rows)[list(COLUMNS)].astype(dict(COLUMNS))
    return Means(Scores(frame, (), builder.plan(), root=builder.root), partial=True)


def scored(cell: Cell, value: float) -> Iterator[dict[str, Any]]:
    task = task_of(cell.target)
    more = {"grid": "wide", "split": "test", "headline": True, "value": value, "examples": 100, "flags": ""}
    for language in task.languages:
        for part in task.metric.headline_parts:
            yield {**vars(cell), **more, "language": language, "metric": part}


@pytest.mark.parametrize(("grid", "number"), [(PLAIN, 3 + 2 * (5 + 2)), (LONG_NAMES, 1 + 9 + 2)])
def test_every_figure_fits_a_page(builder: GridBuilder, grid: Any, number: int) -> None:
    drawn = list(figures(wide(builder, 2, **grid)))
    assert len(drawn) == number
    for one in drawn:
        width, height = one.figure.get_size_inches()
        assert width <= 6.8 and height <= 8.4, one.name
        one.figure.draw_without_rendering()
        x, y, right, top = one.figure.get_tightbbox().extents
        assert x >= -0.01 and y >= -0.01 and right <= width + 0.01 and top <= height + 0.01, one.name
        texts = [text for text in one.figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        assert min(text.get_fontsize() for text in texts) >= 6, one.name


def test_maps_of_many_entries_are_split_between_intermediate_tasks(builder: GridBuilder) -> None:
    means = wide(builder, 1, **{**PLAIN, "targets": ("panx",)})
    drawn = list(heat_maps(means, "panx", language_gains(means)))
    assert [one.name for one in drawn] == [f"gain_by_language_panx_{part}" for part in (1, 2, 3, 4, 5)]
    assert drawn[0].caption.startswith("PAN-X, part 1 of 5: ")
    labels = [[label.get_text().split("\n")[0] for label in one.figure.axes[0].get_xticklabels()] for one in drawn]
    assert labels[0] == ["ANLI+"] * 5 + ["MNLI"] * 5 and labels[4] == ["CommonsenseQA"] * 5
    ends = {one.figure.axes[0].collections[0].get_clim() for one in drawn}
    assert len(ends) == 1
