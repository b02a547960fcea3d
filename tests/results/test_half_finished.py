"""`xstilts report` on a grid that is not finished: what there is, a banner of what is missing, and exit code 0."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from xstilts_hpc.cli import app
from xstilts_hpc.errors import IncompleteError

BANNER = '<p class="notice" role="note">The grid is not complete: '


def report(root: Path) -> str:
    """Return the page that the command writes."""
    found = CliRunner().invoke(app, ["report", "small", "--root", str(root)])
    assert found.exit_code == 0, found.output
    page = root / "grids" / "small" / "report.html"
    assert str(page) in found.output.replace("\n", "")
    return page.read_text(encoding="utf-8")


def scored(root: Path) -> int:
    """Return the number of scores beside the page."""
    scores = pd.read_csv(root / "grids" / "small" / "scores.csv")
    return int(scores.headline.sum())


@pytest.fixture
def half(builder: Any, xnli_run: Callable[..., str]) -> Any:
    """Give a grid of which the baseline is done, one run is at work and one has not begun."""
    builder.cell(xnli_run(0, {"en": 9, "sw": 6}), "xnli")
    for seed in (1, 2):
        run = builder.planned("xnli", seed, {"xnli": ("en", "sw")}, "mnli_full_s0-0123456789")
        builder.cell(run, "xnli", size=100, seeds=(0, 0, seed))
    folder = builder.folder(1)
    folder.prepare(builder.runs[builder.cells[1].run].run, builder.runs[builder.cells[1].run].request)
    folder.history.write_text('{"step": 1, "loss": 1.0}\n')
    folder.tensorboard.mkdir()
    builder.save()
    return builder


def test_a_report_of_a_half_finished_grid_says_what_is_missing_and_ends_well(half: Any) -> None:
    html = report(half.root)
    assert f"{BANNER}2 of 3 cells are missing" in html
    assert "<li>3 runs: 2 eligible, 1 completed.</li>" in html
    assert half.cells[2].run in html
    assert scored(half.root) == 2
    collected = CliRunner().invoke(app, ["collect", "small", "--root", str(half.root)])
    assert isinstance(collected.exception, IncompleteError) and collected.exception.exit_code == 4


def test_the_next_report_has_what_was_done_since_and_a_complete_one_no_banner(
    half: Any, sequence: Callable[..., Any]
) -> None:
    report(half.root)
    for number in (1, 2):
        planned = half.runs[half.cells[number].run]
        run = half.run("xnli", number, {"xnli": {"en": sequence(9), "sw": sequence(7)}}, "mnli_full_s0-0123456789")
        assert run == planned.run.id
        html = report(half.root)
        assert scored(half.root) == 2 + 2 * number
        assert (BANNER in html) == (number == 1)
    assert "The grid is complete: all 3 cells have their scores." in html


def test_a_report_before_any_run_is_done_ends_well_too(builder: Any) -> None:
    builder.cell(builder.planned("xnli", 0, {"xnli": ("en", "sw")}), "xnli")
    builder.save()
    html = report(builder.root)
    assert f"{BANNER}1 of 1 cells are missing" in html
    assert "<li>1 run: 1 eligible.</li>" in html
