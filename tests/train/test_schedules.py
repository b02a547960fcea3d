"""Equal epochs with a floor on updates, and equal updates for which small sets are repeated."""

from collections import Counter
from pathlib import Path

import pytest

from tests.tiny import grid_text
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.errors import GridError
from xstilts_hpc.expand import expand
from xstilts_hpc.files import Memory
from xstilts_hpc.grid import load_grid
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.plan import Plan, PlannedRun, Stage
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.train.training_set import read_training_set

RECIPE = "learning_rate: 1e-3, batch_size: 2, epochs: 2, max_length: 64, max_query_length: 16"
BOTH = "[equal_epochs, equal_steps]"


def plan_of(root: Path, recipe: str, schedule: str = BOTH) -> Plan:
    path = root / "grid.yaml"
    text = grid_text(
        intermediate="[{task: none}, {task: mnli, size: [2, full]}]",
        target="{task: xnli}",
        schedule=schedule,
        recipe=f"{{{RECIPE}, {recipe}}}",
    )
    path.write_text(text)
    return expand(load_grid(path), root=root)


def intermediate(plan: Plan) -> dict[tuple[str, int], PlannedRun]:
    """Return the intermediate runs of a plan by schedule and size."""
    own = {cell.run: (cell.schedule, cell.size) for cell in plan.cells if cell.own}
    return {own[i]: planned for i, planned in plan.runs.items() if planned.stage == Stage.INTERMEDIATE}


def seen(root: Path, planned: PlannedRun) -> list[int]:
    """Return how often each example of a training is trained on, and at the end the number of updates."""
    data = DataFolder(root / "data", Memory(root / "memory.json"))
    encoder = Encoder(load_tokenizer(str(root / "models" / "tiny")), planned.run.recipe, root / "cache")
    assert planned.run.training
    training_set = read_training_set(planned.run.training, data, encoder)
    batches = [items.tolist() for _, items in training_set.effective_batches(planned.run.recipe.batch_size)]
    return [*sorted(Counter(item for batch in batches for item in batch).values()), len(batches)]


def test_under_equal_epochs_updates_follow_the_size_and_under_equal_steps_examples_are_repeated(
    tiny_root: Path,
) -> None:
    runs = intermediate(plan_of(tiny_root, "steps: 9"))
    assert {key: seen(tiny_root, planned) for key, planned in runs.items()} == {
        ("equal_epochs", 2): [2, 2, 2],  # two epochs of two examples in batches of two
        ("equal_epochs", 6): [2, 2, 2, 2, 2, 2, 6],
        ("equal_steps", 2): [9, 9, 9],
        ("equal_steps", 6): [3, 3, 3, 3, 3, 3, 9],
    }


def test_a_floor_on_updates_holds_for_small_sets_alone(tiny_root: Path) -> None:
    runs = intermediate(plan_of(tiny_root, "steps: 9, min_steps: 5"))
    assert {key: seen(tiny_root, planned)[-1] for key, planned in runs.items()} == {
        **{("equal_epochs", 2): 5, ("equal_epochs", 6): 6},
        **{("equal_steps", 2): 9, ("equal_steps", 6): 9},
    }


def test_a_floor_that_changes_nothing_leaves_the_run_the_same(tiny_root: Path) -> None:
    without, floored = (intermediate(plan_of(tiny_root, f"steps: 9, min_steps: {number}")) for number in (1, 5))
    same = {key for key in without if without[key].run.id == floored[key].run.id}
    assert same == {("equal_epochs", 6), ("equal_steps", 2), ("equal_steps", 6)}


def test_target_trainings_are_the_same_under_both_schedules(tiny_root: Path) -> None:
    plan = plan_of(tiny_root, "steps: 9, min_steps: 5")
    targets = [planned.run.recipe for planned in plan.runs.values() if planned.run.parent]
    assert len(targets) == 4
    assert {(recipe.steps, recipe.min_steps) for recipe in targets} == {(0, 1)}


def test_equal_steps_without_their_number_is_refused(tiny_root: Path) -> None:
    with pytest.raises(GridError, match=r"set recipe\.steps"):
        plan_of(tiny_root, "min_steps: 5", "equal_steps")
