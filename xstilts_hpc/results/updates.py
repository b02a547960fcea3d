"""The trainings of a grid: their recipes, and how many updates each has by its plan and by what runs did."""

from dataclasses import dataclass
from functools import lru_cache

from xstilts_hpc.plan import PlannedRun, Stage
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.results.means import Entry, Means, entry_of
from xstilts_hpc.results.page.learning import learning_curve
from xstilts_hpc.run_folder import run_folder
from xstilts_hpc.training import Training, updates_of_parts


@dataclass(frozen=True)
class Trained:
    """Runs that differ in their seeds alone; `entry` is that of an intermediate training, None for a target's."""

    planned: PlannedRun
    training: Training
    runs: tuple[str, ...]
    entry: Entry | None = None

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of the runs."""
        return self.planned.run.recipe

    @property
    def updates(self) -> int:
        """Return the number of updates if every example is one feature, 0 where the plan does not know how many."""
        examples, others = self.planned.train_examples, [0] * (len(self.training.parts) - 1)
        return sum(updates_of_parts(self.training, [examples, *others], self.recipe)) if examples else 0

    @property
    def at_floor(self) -> bool:
        """Say whether `min_steps` gives more updates than the epochs would."""
        by_epochs = self.recipe.steps_by_epochs(self.planned.train_examples)
        return bool(self.updates) and not self.recipe.steps and self.recipe.min_steps > by_epochs


@lru_cache(maxsize=2)  # asked for under every table; the second is that without collapsed runs
def trainings(means: Means) -> tuple[Trained, ...]:
    """Return the intermediate trainings in the order of the tables, then those on targets."""
    plan = means.plan
    entries: dict[Entry, dict[str, None]] = {}
    for cell in plan.cells:
        run = cell.run if cell.own else plan.runs[cell.run].run.parent
        if run in plan.runs:
            entries.setdefault(entry_of(cell), {})[run] = None
    targets: dict[tuple[str, Recipe], dict[str, None]] = {}
    for run, planned in plan.runs.items():
        if planned.stage == Stage.TARGET and planned.run.training:
            targets.setdefault((planned.run.training.task, planned.run.recipe), {})[run] = None
    groups: list[tuple[Entry | None, dict[str, None]]] = [(e, entries[e]) for e in means.entries if e in entries]
    groups += [(None, runs) for runs in targets.values()]
    found = ((plan.runs[next(iter(runs))], tuple(runs), entry) for entry, runs in groups)
    return tuple(
        Trained(planned, planned.run.training, runs, entry) for planned, runs, entry in found if planned.run.training
    )


def updates_done(means: Means, trained: Trained) -> list[int]:
    """Return how many updates the runs with all their scores have logged, each number once."""
    done = {run.run for run in means.scores.runs if run.state == "done"}
    curves = (learning_curve(run_folder(means.scores.root, run).history, 1) for run in trained.runs if run in done)
    return sorted({curve.updates[-1] for curve in curves if curve.updates})
