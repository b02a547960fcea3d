"""The grids that ship: what they ask, how many runs that is by hand, and that the costs in their heads are true."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.tiny import grid_text, write_tiny_data
from xstilts_hpc.cli import app
from xstilts_hpc.expand import expand
from xstilts_hpc.grid import Grid, load_grid
from xstilts_hpc.grid_values import FULL
from xstilts_hpc.plan import Plan, Stage, by_stage
from xstilts_hpc.tasks import STUDY_TASKS, tasks_with
from xstilts_hpc.tasks.base import Role

GRIDS = Path(__file__).resolve().parent.parent / "grids"
# Training sets of the nine targets: XQuAD and MLQA share a training on SQuAD, BUCC and Tatoeba have none. Both of those
# read an encoder in one run, with no seed.
TRAININGS, TRAINED_TARGETS, READ_TARGETS = 6, 7, 2
# By grid: seeds, intermediate trainings of a seed, and cells of their own dev sets of a seed.
SHIPPED = {
    "phang2020": (3, 9 + 1, 9 + 9),
    "size_sweep": (5, 2 * (9 + 7 + 7), 2 * (9 + 7 + 7)),
    "mlm": (3, 3 + 3, 3 + 3),
    "translated": (3, 2 + 2, 2 + 2),
    "xtreme_baseline": (5, 0, 0),
}
STUDY = pytest.mark.parametrize("name", SHIPPED)


def grid_of(name: str) -> Grid:
    return load_grid(GRIDS / f"{name}.yaml")


def plan_of(name: str, root: Path) -> Plan:
    return expand(grid_of(name), root=root, published=True)


def head_of(path: Path) -> str:
    """Return the comment at the beginning of a grid file as one line."""
    lines = path.read_text(encoding="utf-8").partition("schema:")[0].splitlines()
    assert all(line.startswith("# ") for line in lines)
    return " ".join(line.removeprefix("# ") for line in lines)


@pytest.mark.parametrize("path", sorted(GRIDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_grid_begins_with_its_question_and_says_what_it_needs(path: Path) -> None:
    assert re.match(r"Question: .+\?", head_of(path))
    assert "Needs" in head_of(path)
    grid = load_grid(path)
    assert grid.name == path.stem and grid.question.endswith("?")


@STUDY
def test_a_grid_has_the_runs_and_cells_that_are_counted_by_hand(name: str, tmp_path: Path) -> None:
    seeds, starts, own = SHIPPED[name]
    plan = plan_of(name, tmp_path)
    assert {stage: len(runs) for stage, runs in by_stage(plan)} == {
        **({Stage.INTERMEDIATE: seeds * starts} if starts else {}),
        Stage.TARGET: seeds * TRAININGS * (1 + starts),
        Stage.RETRIEVAL: 1 + seeds * starts,
    }
    of_targets = seeds * TRAINED_TARGETS * (1 + starts) + READ_TARGETS * (1 + seeds * starts)
    assert len(plan.cells) == of_targets + seeds * own
    assert not plan.excluded and not any(plan.absent.values())


@STUDY
def test_every_run_is_listed_once_and_answers_a_cell(name: str, tmp_path: Path) -> None:
    plan = plan_of(name, tmp_path)
    assert len({planned.run.id for planned in plan.runs.values()}) == len(plan.runs)
    assert {cell.run for cell in plan.cells} == set(plan.runs)
    assert {cell.target for cell in plan.cells if not cell.own} == {task.name for task in tasks_with(Role.TARGET)}
    found = CliRunner().invoke(
        app, ["plan", str(GRIDS / f"{name}.yaml"), "--published", "--runs", "--root", str(tmp_path)]
    )
    listed = [line.split()[0] for line in found.stdout.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(plan.runs)


@STUDY
def test_the_costs_in_the_head_are_those_that_plan_prints(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    path = GRIDS / f"{name}.yaml"
    found = CliRunner().invoke(app, ["plan", str(path), "--published", "--root", str(tmp_path)])
    assert found.exit_code == 0, found.output
    (cells,) = re.findall(r"[\d,]+ cells from [\d,]+ runs", found.stdout)
    (cost,) = re.findall(r".* runs to do: .*", found.stdout)
    command = f"xstilts plan grids/{name}.yaml --published"
    assert f"Cost, as `{command}` computes it: {cells}; {cost}. " in head_of(path)


@STUDY
def test_a_plan_needs_neither_data_nor_model_nor_root(name: str, tmp_path: Path) -> None:
    plan = plan_of(name, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    model = {planned.run.model for planned in plan.runs.values()}
    assert {(source.id, len(source.revision)) for source in model} == {("FacebookAI/xlm-roberta-large", 40)}


def test_the_size_of_a_model_folder_that_is_not_there_is_assumed_and_that_is_said(tmp_path: Path) -> None:
    path = str(GRIDS / "miniature_sweep.yaml")
    found = CliRunner().invoke(app, ["plan", path, "--published", "--root", str(tmp_path)])
    assert found.exit_code == 0, found.output
    said = "model miniature/model is not here: taken to be as large as FacebookAI/xlm-roberta-large"
    assert said in " ".join(found.stdout.split())
    assert CliRunner().invoke(app, ["plan", path, "--root", str(tmp_path)]).exit_code != 0


def test_baselines_are_the_same_runs_in_every_grid(tmp_path: Path) -> None:
    baseline = set(plan_of("xtreme_baseline", tmp_path).runs)
    for name in SHIPPED:
        plan = plan_of(name, tmp_path)
        own = {cell.run for cell in plan.cells if cell.intermediate == "none"}
        assert own <= baseline
        assert len(own) == 1 + TRAININGS * SHIPPED[name][0]


def test_the_full_sets_of_the_sweep_are_the_runs_of_the_study(tmp_path: Path) -> None:
    study, sweep = plan_of("phang2020", tmp_path), plan_of("size_sweep", tmp_path)
    full = {cell.run for cell in sweep.cells if cell.full and cell.schedule == "equal_epochs" and cell.train_seed < 3}
    assert full <= set(study.runs)
    assert len(full) == 3 * 3 * (1 + TRAININGS + 1)  # tasks, seeds; the intermediate run, its trainings, the reading


def test_the_study_trains_on_its_nine_tasks_alone_and_jointly() -> None:
    baseline, alone, jointly = grid_of("phang2020").intermediate
    assert baseline.task == ["none"]
    assert alone.task == jointly.mixture == list(STUDY_TASKS)
    assert alone.size == jointly.size == [FULL]


def test_sizes_of_the_sweep_are_half_decades_up_to_the_full_set_under_both_schedules(tmp_path: Path) -> None:
    grid = grid_of("size_sweep")
    half_decades = [round(10 ** (half / 2)) for half in range(4, 12)]
    for entry in grid.intermediate[1:]:
        number = len(entry.size) - 1
        assert entry.size == [*half_decades[:number], FULL]
    assert grid.seeds.pair and grid.seeds.data == grid.seeds.train == grid.seeds.target
    plan = plan_of("size_sweep", tmp_path)
    steps = {
        (planned.run.training.parts[0].size, planned.run.recipe.steps): planned.run.recipe.num_steps(
            planned.train_examples
        )
        for planned in plan.runs.values()
        if planned.stage == Stage.INTERMEDIATE and planned.run.training and planned.run.training.task == "mnli"
    }
    # Three epochs of batch 32, at least 200 updates; or 3,000 whatever the size.
    assert [steps[size, 0] for size in (100, 1_000, 3_162, 10_000, 0)] == [200, 200, 297, 938, 36_816]
    assert {steps[size, 3_000] for size in (*half_decades, 0)} == {3_000}


def test_translated_sets_are_as_large_as_the_english_ones(tmp_path: Path) -> None:
    examples = {
        (planned.run.training.task, planned.run.training.variant != ""): planned.train_examples
        for planned in plan_of("translated", tmp_path).runs.values()
        if planned.stage == Stage.INTERMEDIATE and planned.run.training
    }
    assert examples == {
        **{("mnli", translated): 392_702 for translated in (False, True)},
        **{("squad_v1", translated): 87_599 for translated in (False, True)},
    }


def test_a_plan_names_what_to_fetch_before_the_submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    plan = ["plan", str(GRIDS / "xtreme_baseline.yaml"), "--published", "--root", str(tmp_path)]
    steps = [line for line in CliRunner().invoke(app, plan).stdout.splitlines() if line.startswith("next: ")]
    source = next(iter(plan_of("xtreme_baseline", tmp_path).runs.values())).run.model
    assert steps[0].startswith("next: xstilts data fetch mnli xnli ") and steps[0].endswith(f" --root {tmp_path}")
    assert steps[1] == f"next: xstilts model fetch {source.id} --revision {source.revision}"
    assert steps[2].startswith("next: xstilts submit ") and len(steps) == 3


def test_what_is_here_is_not_to_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    write_tiny_data(tmp_path / "data")
    grid = tmp_path / "grid.yaml"
    grid.write_text(grid_text(target="{task: [tatoeba, xnli], languages: [de]}"))
    found = CliRunner().invoke(app, ["plan", str(grid), "--published", "--root", str(tmp_path)])
    steps = [line for line in found.stdout.splitlines() if line.startswith("next: ")]
    assert steps[0] == f"next: xstilts data fetch xnli --root {tmp_path}"
    assert steps[1].startswith("next: xstilts submit ")
