"""Figures: what is drawn for which grid, and that the numbers in them are those of the grid."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.results.tables.test_table import means_of
from xstilts_hpc.results.figures.all_figures import figures, write_figures
from xstilts_hpc.results.figures.figure import svg, telling_svg
from xstilts_hpc.results.figures.heat_map import heat_maps
from xstilts_hpc.results.figures.multiples import multiples, short
from xstilts_hpc.results.figures.size_figure import size_figure
from xstilts_hpc.results.tables.language_gains import language_gains


def words(drawn: Any) -> list[str]:
    """Return the words of a figure, in the order in which they are drawn."""
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg(drawn))


def test_every_target_has_its_figures_as_svg_and_pdf(small: Any, tmp_path: Path) -> None:
    written = write_figures(figures(means_of(small)), tmp_path)
    names = ("size_xnli", "gain_by_language_xnli", "size_by_language_xnli")
    assert [path.name for path in written] == [f"{name}.{suffix}" for name in names for suffix in ("svg", "pdf")]
    for path in written:
        assert path.read_bytes().startswith(b"%PDF" if path.suffix == ".pdf" else b"<svg ")


def test_a_grid_with_the_baseline_alone_has_none(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(0, {"en": 5, "sw": 3}), "xnli")
    assert list(figures(means_of(builder))) == []


def test_the_points_of_size_curves_tell_their_values(small: Any) -> None:
    drawn = size_figure(means_of(small), "xnli")
    page, line = telling_svg(drawn), re.compile(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"')
    ((x, y, told),) = re.findall(r'<circle class="value" cx="([\d.]+)" cy="([\d.]+)" r="6"><title>(.*?)</title>', page)
    assert told == "MNLI, 100 examples: 50.0 %"
    places = [(float(a), float(b)) for a, b in line.findall(svg(drawn))]
    assert any((a, b) == pytest.approx((float(x), float(y)), abs=0.1) for a, b in places)
    assert "XNLI, zero-shot score in per cent: MNLI from 50.0 with 100 examples to 50.0 with 100; none" in page


def test_cells_of_the_heat_map_are_the_gains(small: Any) -> None:
    means = means_of(small)
    (drawn,) = heat_maps(means, "xnli", language_gains(means))
    shown = words(drawn)
    # English 50 to 70 and 60, Swahili 30 to 50 and 40 to 50; languages down, English first
    assert [word for word in shown if word.startswith(("+", "-"))] == ["+15.0", "+15.0"]
    assert [word for word in shown if "(" in word] == ["English (en)", "Swahili (sw)"]
    assert shown[:2] == ["MNLI", "100"]


@pytest.mark.parametrize(("gain", "weight"), [(4, True), (0, False)])
def test_gains_told_from_none_are_bold(builder: Any, xnli_run: Any, gain: int, weight: bool) -> None:
    for seed in range(3):
        builder.cell(xnli_run(seed, {"en": 5}), "xnli", seeds=(-1, -1, seed))
        trained = xnli_run(seed + 10, {"en": 5 + gain + (gain > 0) * (seed % 2)})
        builder.cell(trained, "xnli", size=100, seeds=(seed, seed, seed))
    means = means_of(builder)
    (found,) = language_gains(means)
    (drawn,) = heat_maps(means, "xnli", [found])
    assert (found.corrected < 0.05) == weight
    assert ("font-weight: 700" in svg(drawn)) == weight


def test_a_gain_that_lacks_a_run_is_not_shown_or_says_so(small: Any) -> None:
    (small.folder(1).path / "DONE.json").unlink()
    means = means_of(small)
    assert list(heat_maps(means, "xnli", language_gains(means))) == []
    means = means_of(small, partial=True)
    (drawn,) = heat_maps(means, "xnli", language_gains(means))
    assert words(drawn).count("n=1/2") == words(drawn).count("+10.0") == 2


def test_a_panel_per_language_with_the_same_axes(small: Any) -> None:
    drawn = multiples(means_of(small), "xnli")
    assert drawn is not None
    panels = [axes for axes in drawn.figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["English", "Swahili"]
    assert len({axes.get_ylim() for axes in panels}) == 1
    # the line of MNLI, then the baseline
    heights = [[line.get_ydata()[0] for line in axes.lines] for axes in panels]
    assert heights == [pytest.approx([65, 50]), pytest.approx([50, 35])]


@pytest.mark.parametrize(("size", "words"), [(30, "30"), (1_000, "1k"), (31_600, "31.6k"), (1e6, "1M")])
def test_sizes_of_panels_are_short(size: float, words: str) -> None:
    assert short(size) == words


def test_one_language_needs_no_panels(builder: Any, xnli_run: Any) -> None:
    builder.cell(xnli_run(1, {"sw": 5}), "xnli", size=100, seeds=(0, 0, 0))
    assert multiples(means_of(builder), "xnli") is None


def test_the_line_of_a_size_figure_is_the_zero_shot_mean(small: Any) -> None:
    axes = size_figure(means_of(small), "xnli").figure.axes[0]
    assert [line.get_ydata()[0] for line in axes.lines] == pytest.approx([50, 35])
    assert axes.get_xscale() == "log"
