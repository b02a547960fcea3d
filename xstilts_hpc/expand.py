"""Expand a grid into a plan: combine, share runs between cells, check everything against the data."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError, GridError
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import Memory
from xstilts_hpc.grid import FULL, NO_TASK, Exclusion, Grid
from xstilts_hpc.languages import MADE_UP
from xstilts_hpc.model_files import longest_text, model_source
from xstilts_hpc.plan import Cell, Excluded, Plan, PlannedRun, Stage, cells_digest, parents_first
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import ModelSource, Prediction, Request, Run, Training
from xstilts_hpc.tasks import task_of, tasks_with
from xstilts_hpc.tasks.base import Role, Split, Task
from xstilts_hpc.tasks.folder import DataFolder

_UNUSED_SEED = -1
# Four special tokens, and at least as many of the context.
_LEAST_CONTEXT = 8


@dataclass(frozen=True)
class _Start:
    """An intermediate training of the grid (or the baseline), and the run that does it."""

    task: str
    size: int
    full: bool
    schedule: str
    data_seed: int
    train_seed: int
    run: PlannedRun | None
    problem: str = ""


@dataclass
class _Expander:
    """Everything expansion looks up more than once."""

    grid: Grid
    data: DataFolder
    model: ModelSource
    longest_text: int
    problems: list[str] = field(default_factory=list)
    requests: dict[tuple[str, Split], tuple[Request, int, float]] = field(default_factory=dict)
    runs: list[PlannedRun] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    used_exclusions: set[int] = field(default_factory=set)
    _recipes: dict[tuple[str, ...], Recipe] = field(default_factory=dict)
    _splits: dict[str, Split] = field(default_factory=dict)

    @cached_property
    def targets(self) -> tuple[Task, ...]:
        """Return the target tasks of the grid that are evaluated in at least one of its languages."""
        names, languages = self.grid.target.task, self.grid.target.languages
        tasks = tasks_with(Role.TARGET) if "all" in names else tuple(task_of(name) for name in names)
        return tuple(t for t in tasks if "all" in languages or {*t.languages, *MADE_UP} & {*languages})

    def cells(self) -> Iterator[Cell]:
        """Yield the cells of the grid, gathering the runs that answer them."""
        for (start, target_seed), task in itertools.product(self.starts(), self.targets):
            yield from self.cell(start, task, target_seed)

    def starts(self) -> Iterator[tuple[_Start, int]]:
        """Yield every distinct intermediate training with every target seed."""
        seen: set[tuple[Any, ...]] = set()
        seeds = self.grid.seeds
        product = zip if seeds.pair else itertools.product
        for entry in self.grid.intermediate:
            for task, size, schedule in itertools.product(entry.task, entry.size, self.grid.schedule):
                for data_seed, train_seed, target_seed in product(seeds.data, seeds.train, seeds.target):
                    start = self.start(task, size, schedule, (data_seed, train_seed))
                    key = (replace(start, run=None), start.run and start.run.run.id, target_seed)
                    if key not in seen:
                        seen.add(key)
                        yield start, target_seed

    def start(self, name: str, size: int | str, schedule: str, seeds: tuple[int, int]) -> _Start:
        """Return one intermediate training; the baseline has no size, schedule or seeds of its own."""
        if name == NO_TASK:
            return _Start(NO_TASK, 0, False, "", _UNUSED_SEED, _UNUSED_SEED, None)
        task = task_of(name)
        training, count, problem = self.training(task, size, seeds)
        recipe = self.recipe(task, task, schedule)
        facts = self.data.facts(task, Split.TRAIN)
        own, examples, characters = self.request(task, Split.DEV)
        planned = PlannedRun(
            Run(self.model, training, recipe),
            Stage.INTERMEDIATE,
            replace(own, keep_encoder=True),
            count,
            facts["characters"],
            examples,
            characters,
        )
        return _Start(name, count, not training.size, schedule, training.data_seed, seeds[1], planned, problem)

    def training(self, task: Task, size: int | str, seeds: tuple[int, int]) -> tuple[Training, int, str]:
        """Return a training set, its number of examples, and what is wrong with it; a whole set has no data seed."""
        facts, problem = self.data.facts(task, Split.TRAIN), ""
        available = facts["examples"]
        if isinstance(size, int) and size > available:
            problem = (
                f"{task.name}: size {size:,} is larger than its training set here ({available:,} examples in "
                f"{self.data.root}); use {FULL!r} or exclude it"
            )
        if not facts["gold"]:
            problem = f"{task.name}: its training file under {self.data.root} has examples without labels"
        full = size in (FULL, available)
        count = available if full else int(size)
        training = Training(task.name, facts["digest"], 0 if full else count, 0 if full else seeds[0], seeds[1])
        return training, count, problem

    def recipe(self, training_set: Task, target: Task, schedule: str = "") -> Recipe:
        """Return the recipe: defaults, then the task's own, the grid's, and the grid's for this training set."""
        key = (training_set.name, target.name, schedule)
        if key not in self._recipes:
            changes = [target.recipe, self.grid.changes(), self.grid.changes_for(training_set.name)]
            if target is not training_set:
                changes.append(self.grid.changes_for(target.name))
            recipe = Recipe().with_changes(*changes)
            self._recipes[key] = recipe if schedule == "equal_steps" else replace(recipe, steps=0)
            self.check_recipe(recipe, target, schedule)
        return self._recipes[key]

    def check_recipe(self, recipe: Recipe, target: Task, schedule: str) -> None:
        """Note what makes a recipe impossible for a task or the model."""
        length = f"{target.name}: max_length {recipe.max_length}"
        if target.kind is Kind.SPAN and recipe.max_length < recipe.max_query_length + _LEAST_CONTEXT:
            self.problems.append(
                f"{length} leaves no room for a context beside a question of "
                f"max_query_length {recipe.max_query_length}; raise the one or lower the other"
            )
        if recipe.max_length > self.longest_text:
            self.problems.append(f"{length} is more than the {self.longest_text} tokens that the model takes")
        if schedule == "equal_steps" and not recipe.steps:
            self.problems.append(f"{target.name}: schedule equal_steps needs recipe.steps, the number of updates")

    def cell(self, start: _Start, task: Task, target_seed: int) -> Iterator[Cell]:
        """Yield a cell with its target run, and the intermediate task's own cell; or note the exclusion."""
        planned = self.target_run(start, task, target_seed)
        cell = self._cell_of(start, task.name, target_seed, planned.run.id)
        matching = [number for number, item in enumerate(self.grid.exclude) if _matches(item, cell)]
        self.used_exclusions.update(matching)
        if matching:
            self.excluded.append(Excluded(cell, self.grid.exclude[matching[0]].reason))
            return
        self.problems.extend(filter(None, [start.problem]))
        if start.run:
            self.runs.append(start.run)
            if start.run.request.predictions:
                yield self._cell_of(start, start.task, _UNUSED_SEED, start.run.run.id)
        self.runs.append(planned)
        yield cell

    def check_exclusions(self) -> None:
        """Note the exclusions that match no cell: most likely mistyped."""
        for number, item in enumerate(self.grid.exclude):
            if number not in self.used_exclusions:
                where = item.where.model_dump(exclude_none=True)
                self.problems.append(f"exclude: {where} ({item.reason}) matches no cell; correct or remove it")

    def target_run(self, start: _Start, task: Task, target_seed: int) -> PlannedRun:
        """Return the run that answers a target: a training on its English set, or a reading of the encoder."""
        request, examples, characters = self.request(task, self.split(task))
        if not request.predictions:
            self.problems.append(
                f"{task.name}: no labelled {self.split(task)} file in {self.data.root}; use split: auto"
            )
        parent = (start.run.run.id, start.run.run.name) if start.run else ("", "")
        if not task.trains:
            run = Run(self.model, None, self.recipe(task, task), *parent)
            return PlannedRun(run, Stage.RETRIEVAL, request, 0, 0.0, examples, characters)
        training_set = task_of(task.training_set)
        training, count, problem = self.training(training_set, self.grid.target.size, (0, target_seed))
        self.problems.extend(filter(None, [problem]))
        run = Run(self.model, training, self.recipe(training_set, task), *parent)
        length = self.data.facts(training_set, Split.TRAIN)["characters"]
        return PlannedRun(run, Stage.TARGET, request, count, length, examples, characters)

    def split(self, task: Task) -> Split:
        """Return the split a target is scored on."""
        if task.name not in self._splits:
            self._splits[task.name] = self.grid.target.split_of() or self.data.evaluation_split(task)
        return self._splits[task.name]

    def request(self, task: Task, split: Split) -> tuple[Request, int, float]:
        """Return what is asked of a task's split, with the number of examples and their mean length."""
        key = (task.name, split)
        if key not in self.requests:
            self.requests[key] = self._request(task, split)
        return self.requests[key]

    def _request(self, task: Task, split: Split) -> tuple[Request, int, float]:
        languages = self.languages(task, split)
        facts = {code: self.data.facts(task, split, code) for code in languages}
        examples = sum(f["examples"] for f in facts.values())
        characters = sum(f["examples"] * f["characters"] for f in facts.values()) / max(1, examples)
        prediction = Prediction(task.name, split, {code: f["digest"] for code, f in facts.items()})
        return Request((prediction,) if facts else (), self.grid.data), examples, characters

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """Return the languages to evaluate; one that was named must be in the data."""
        here = self.data.languages(task, split)
        if Role.TARGET not in task.roles or "all" in self.grid.target.languages:
            return here
        named = [code for code in self.grid.target.languages if code in (*task.languages, *MADE_UP)]
        for code in named:
            if code not in here:
                self.data.locate(task, split, code)
                raise DataError(f"{task.title}: the {split} file of {code} has no labels; use another split")
        return tuple(named)

    def _cell_of(self, start: _Start, target: str, target_seed: int, run: str) -> Cell:
        return Cell(
            intermediate=start.task,
            size=start.size,
            full=start.full,
            variant="",
            schedule=start.schedule,
            data_seed=start.data_seed,
            train_seed=start.train_seed,
            target_seed=target_seed if target == start.task or task_of(target).trains else _UNUSED_SEED,
            target=target,
            run=run,
        )


def _matches(exclusion: Exclusion, cell: Cell) -> bool:
    where = exclusion.where.model_dump(exclude_none=True)
    where["intermediate"] = where.pop("task", cell.intermediate)
    size = where.pop("size", cell.size)
    same_size = cell.full if size == FULL else cell.size == size
    return same_size and all(getattr(cell, name) == value for name, value in where.items())


def expand(grid: Grid, *, root: Path) -> Plan:
    """Return the plan of a grid; whatever does not fit the data is one error that lists all of it."""
    memory = Memory(root / "cache" / "data.json")
    data = DataFolder(_under(root, grid.data), memory)
    source = model_source(grid.model, root=root, memory=memory)
    expander = _Expander(grid, data, source, longest_text(source, root=root))
    _check_languages(expander)
    cells = tuple(dict.fromkeys(expander.cells()))
    memory.save()
    expander.check_exclusions()
    if expander.problems:
        raise GridError("\n".join(dict.fromkeys(expander.problems)))
    if not cells:
        raise GridError(f"grid {grid.name}: every cell is excluded; nothing is left to run")
    return Plan(
        name=grid.name,
        question=grid.question,
        data=grid.data,
        runs=parents_first(expander.runs),
        cells=cells,
        excluded=tuple(dict.fromkeys(expander.excluded)),
        absent={task.name: _absent(expander, task) for task in expander.targets},
        digest=cells_digest(cells),
    )


def _under(root: Path, path: str) -> Path:
    return root / Path(path).expanduser()


def _absent(expander: _Expander, task: Task) -> tuple[str, ...]:
    if "all" not in expander.grid.target.languages:
        return ()
    predictions = expander.request(task, expander.split(task))[0].predictions
    here = predictions[0].languages if predictions else ()
    made_up = any(code in MADE_UP for code in here)
    return () if made_up else tuple(code for code in task.languages if code not in here)


def _check_languages(expander: _Expander) -> None:
    """Refuse a language that none of the target tasks has."""
    known = {*MADE_UP, *itertools.chain.from_iterable(task.languages for task in expander.targets)}
    for code in expander.grid.target.languages:
        if code != "all" and code not in known:
            names = ", ".join(expander.grid.target.task)
            raise GridError(f"target.languages: {code} is not evaluated by any target task of the grid ({names})")
