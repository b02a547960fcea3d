"""Figures of a half-finished grid: no mean over some of the targets, and a mark where a mean lacks some of its runs."""

import math
from itertools import product
from typing import Any

import pytest

from tests.results.conftest import GridBuilder, sequence_logits
from tests.results.tables.test_table import means_of
from xstilts_hpc.results.figures.figure import Drawn, svg
from xstilts_hpc.results.figures.heat_map import heat_maps
from xstilts_hpc.results.figures.mediation_figure import mediation_figure
from xstilts_hpc.results.figures.multiples import multiples
from xstilts_hpc.results.figures.size_figure import size_figure
from xstilts_hpc.results.sizes import ALL_TARGETS
from xstilts_hpc.results.tables.language_gains import language_gains

# Right of ten by seed, in every language at every size, and the number of labels: nothing depends on size.
RIGHT = {"xnli": ((8, 9, 10), 3), "pawsx": ((3, 3, 3), 2)}


@pytest.fixture
def half(builder: GridBuilder) -> GridBuilder:
    """Give a flat grid: at 300 examples XNLI lacks one run of three, at 999 it lacks one and PAWS-X has none."""
    missing = {("xnli", 300, 2), ("xnli", 999, 2), *(("pawsx", 999, seed) for seed in range(3))}
    for size, seed in product((0, 10, 100, 300, 999), range(3)):
        parent, seeds = "", (seed, seed, seed) if size else (-1, -1, seed)
        if size:
            parent = builder.run("mnli", 7 * size + seed, {"mnli": {"en": sequence_logits(5 + seed)}})
            builder.cell(parent, "mnli", size=size, seeds=(seed, seed, -1))
        for target, (right, labels) in RIGHT.items():
            logits = {target: dict.fromkeys(("en", "de"), sequence_logits(right[seed], labels=labels))}
            add: Any = builder.planned if (target, size, seed) in missing else builder.run
            builder.cell(add(target, seed, logits, parent), target, size=size, seeds=seeds)
    return builder


def drawn_lines(drawn: Drawn | None, panel: int = 0) -> list[list[tuple[float, float]]]:
    """Return the points of each line of a figure that are there, the baseline and the legend's own left out."""
    assert drawn is not None
    lines = [line for line in drawn.figure.axes[panel].lines if not str(line.get_label()).startswith("none")]
    points = [zip(line.get_xdata(), line.get_ydata(), strict=True) for line in lines]
    return [[(x, round(float(y), 6)) for x, y in one if not math.isnan(y)] for one in points]


def test_a_mean_of_targets_has_no_point_where_one_of_them_has_no_score(half: GridBuilder) -> None:
    drawn = size_figure(means_of(half, partial=True), ALL_TARGETS)
    whole, hollow, _ = drawn_lines(drawn)
    assert whole == [(10, 60), (100, 60)] and hollow == [(300, 57.5)]
    assert "No point: runs are missing." in drawn.caption
    assert "MNLI from 60.0 with 10 examples to -- with 999" in drawn.alt
    assert [x for x, _, _ in drawn.values] == [10, 100, 300]


def test_points_that_lack_runs_are_hollow_and_not_joined_and_no_curve_is_fitted(half: GridBuilder) -> None:
    drawn = size_figure(means_of(half, partial=True), "xnli")
    assert drawn_lines(drawn) == [[(10, 90), (100, 90)], [(300, 85), (999, 85)], []]
    hollow = drawn.figure.axes[0].lines[1]
    assert hollow.get_markerfacecolor() == "none" and hollow.get_linestyle() == "None"
    assert "runs missing: n=2/3" in svg(drawn)
    assert (
        "Hollow points, not joined: runs are missing, the mean is over those that are there (n=2/3)." in drawn.caption
    )


def test_a_complete_grid_has_neither_mark_nor_note(small: GridBuilder) -> None:
    drawn = size_figure(means_of(small, partial=True), "xnli")
    assert "missing." not in drawn.caption.removesuffix("no run is missing.") and "runs missing" not in svg(drawn)


def test_a_baseline_that_lacks_runs_is_dotted_and_says_so(half: GridBuilder) -> None:
    (half.folder(0).path / "DONE.json").unlink()
    drawn = size_figure(means_of(half, partial=True), "xnli")
    (base,) = (line for line in drawn.figure.axes[0].lines if str(line.get_label()).startswith("none"))
    assert base.get_label() == "none (baseline) (n=2/3)"
    assert "Dotted baseline: runs are missing, the mean is over those that are there (n=2/3)." in drawn.caption


def test_panels_by_language_and_mediation_have_the_same_marks(half: GridBuilder) -> None:
    means = means_of(half, partial=True)
    panels, mediation = multiples(means, "xnli"), mediation_figure(means, "xnli")
    assert drawn_lines(panels, panel=1) == [[(10, 90), (100, 90)], [(300, 85), (999, 85)]]
    # own dev scores 50, 60 and 70, of which the first two are left
    assert [len(points) for points in drawn_lines(mediation)] == [2, 2, 0]
    assert drawn_lines(mediation)[1] == [(pytest.approx(55), 85)] * 2
    for drawn in filter(None, (panels, mediation)):
        assert "Hollow points" in drawn.caption and "runs missing: n=2/3" in svg(drawn)


def test_means_of_runs_that_lack_some_are_blank_without_partial(half: GridBuilder) -> None:
    means = means_of(half)
    for drawn in (size_figure(means, "xnli"), mediation_figure(means, "xnli")):
        assert [len(points) for points in drawn_lines(drawn)] == [2]


def test_cells_of_the_heat_map_say_how_many_runs_they_have(half: GridBuilder) -> None:
    means = means_of(half, partial=True)
    for target, marks in (("xnli", ["n=2/3"] * 4), ("pawsx", [])):
        (drawn,) = heat_maps(means, target, language_gains(means))
        words = [text.get_text() for text in drawn.figure.axes[0].texts]
        assert [word for word in words if word.startswith("n=")] == marks
        assert words.count("+0.0") == (8 if marks else 6) and words.count("--") == (0 if marks else 2)
        assert (" n=2/3: runs are missing" in drawn.caption) == bool(marks)
        assert (" --: runs are missing." in drawn.caption) == (not marks)
