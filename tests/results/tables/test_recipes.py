"""Recipes and updates: by size, those at the floor marked, and what runs really did."""

from dataclasses import replace
from typing import Any

import pytest

from tests.results.conftest import MODEL
from tests.results.tables.test_table import means_of, shown
from xstilts_hpc.files import append_json_line
from xstilts_hpc.plan import PlannedRun, Stage
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.results.tables.recipes import recipes
from xstilts_hpc.results.tables.table import by_task
from xstilts_hpc.run import Request, Run
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.training import training_on

EPOCHS, STEPS = Recipe(min_steps=200), Recipe(steps=3_000, learning_rate=2e-5)


def intermediate(builder: Any, size: int, recipe: Recipe, schedule: str = "equal_epochs") -> str:
    """Add an intermediate training with a cell of a target that follows it; return its id."""
    run = Run(MODEL, training_on("mnli", "digest", size=size), recipe)
    builder.runs[run.id] = PlannedRun(run, Stage.INTERMEDIATE, Request((), builder.data, keep_encoder=True), size)
    child = builder.planned("xnli", size, {"xnli": ("en",)}, run.id)
    builder.runs[child] = replace(builder.runs[child], train_examples=392_702)
    builder.cell(child, "xnli", size=size, seeds=(0, 0, 0))
    builder.cells[-1] = replace(builder.cells[-1], schedule=schedule, full=False)
    return run.id


@pytest.fixture
def sizes(builder: Any) -> Any:
    """Give a grid of two sizes by epochs, the first at the floor, and one by steps."""
    for size, recipe, schedule in ((100, EPOCHS, "equal_epochs"), (100, STEPS, "equal_steps")):
        intermediate(builder, size, recipe, schedule)
    intermediate(builder, 10_000, EPOCHS.without_idle_floor(10_000))
    return builder


def test_updates_are_told_by_size_and_what_sets_them(sizes: Any) -> None:
    table = recipes(means_of(sizes))
    assert table.columns[:7] == ("stage", "trained on", "examples", "schedule", "updates", "updates done", "set by")
    assert table.columns[7:] == ("learning rate",)
    assert [row[1:] for row in shown(table)] == [
        ["MNLI", "100", "equal_epochs", "200", "", "at least 200 (3 epochs: 10)", "1e-05"],
        ["MNLI", "100", "equal_steps", "3,000", "", "fixed", "2e-05"],
        ["MNLI", "10,000", "equal_epochs", "938", "", "3 epochs", "1e-05"],
        ["XNLI", "392,702", "", "36,816", "", "3 epochs", "1e-05"],
    ]
    assert [row[0] for row in table.rows] == ["intermediate"] * 3 + ["target"]
    assert any(line.startswith("in all of them: batch size 32, warmup fraction 0.1") for line in table.footer)


def test_the_footer_of_every_table_names_sizes_at_the_floor(sizes: Any) -> None:
    expected = "at the floor of 200 updates, more than epochs give: MNLI 100"
    assert expected in by_task(means_of(sizes)).footer


def test_what_finished_runs_did_stands_beside(builder: Any) -> None:
    run = intermediate(builder, 100, EPOCHS)
    done = run_folder(builder.root, run)
    done.prepare(builder.runs[run].run, builder.runs[run].request)
    append_json_line(done.history, {"step": 207, "loss": 1.0})
    assert shown(recipes(means_of(builder)))[0][4] == ""
    done.commit({}, [], builder.runs[run].request)
    assert shown(recipes(means_of(builder)))[0][4] == "207"
