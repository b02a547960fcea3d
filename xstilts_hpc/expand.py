"""Expand a grid into a plan: combine, share runs between cells, check everything against the data."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import GridError
from xstilts_hpc.files import Memory
from xstilts_hpc.grid import Exclusion, Grid, IntermediateEntry
from xstilts_hpc.grid_values import FULL, NO_TASK
from xstilts_hpc.languages import ENGLISH, MADE_UP
from xstilts_hpc.model_files import longest_text, model_source
from xstilts_hpc.plan import UNUSED_SEED, Cell, Excluded, Plan, PlannedRun, Stage, cells_digest, parents_first
from xstilts_hpc.resolve import Resolver
from xstilts_hpc.run import ModelSource, Run
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.folder import DataFolder
from xstilts_hpc.tasks.published import PublishedData


@dataclass(frozen=True)
class _Start:
    """An intermediate training of the grid (or the baseline), and the run that does it."""

    task: str
    size: int
    full: bool
    variant: str
    schedule: str
    data_seed: int
    train_seed: int
    run: PlannedRun | None
    problem: str = ""


_BASELINE = _Start(NO_TASK, 0, False, "", "", UNUSED_SEED, UNUSED_SEED, None)


@dataclass
class _Expander:
    """Gathers the runs that answer the cells of a grid."""

    grid: Grid
    model: ModelSource
    resolver: Resolver
    runs: list[PlannedRun] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    used_exclusions: set[int] = field(default_factory=set)
    sizes: dict[str, set[int]] = field(default_factory=dict)

    def cells(self) -> Iterator[Cell]:
        """Yield the cells of the grid, gathering the runs that answer them."""
        for (start, target_seed), task in itertools.product(self.starts(), self.resolver.targets):
            yield from self.cell(start, task, target_seed)

    def starts(self) -> Iterator[tuple[_Start, int]]:
        """Yield every distinct intermediate training with every target seed."""
        seen: set[tuple[Any, ...]] = set()
        seeds = self.grid.seeds
        product = zip if seeds.pair else itertools.product
        for entry in self.grid.intermediate:
            for names, size, schedule in itertools.product(_sets(entry), entry.size, self.grid.schedule):
                for data_seed, train_seed, target_seed in product(seeds.data, seeds.train, seeds.target):
                    start = self.start(entry, names, (size, schedule), (data_seed, train_seed))
                    key = (replace(start, run=None), start.run and start.run.run.id, target_seed)
                    if key not in seen:
                        seen.add(key)
                        yield start, target_seed

    def start(
        self, entry: IntermediateEntry, names: Sequence[str], form: tuple[int | str, str], seeds: tuple[int, int]
    ) -> _Start:
        """Return one intermediate training; the baseline has no size, schedule or seeds of its own."""
        if tuple(names) == (NO_TASK,):
            return _BASELINE
        size, schedule = form
        planned, problem = self.resolver.intermediate(entry, names, size, seeds)
        training, recipe = planned.training, self.resolver.recipe(names, schedule=schedule)
        if not training.by_paragraph:  # of which there may be fewer examples than the size says
            recipe = recipe.without_idle_floor(planned.examples)
        own, predicted = self.resolver.own_request(names)
        run = Run(self.model, training, recipe)
        return _Start(
            task=training.task,
            size=planned.examples,
            full=not training.subset,
            variant=training.variant,
            schedule=schedule,
            data_seed=training.data_seed if training.subset else UNUSED_SEED,
            train_seed=seeds[1],
            run=PlannedRun(run, Stage.INTERMEDIATE, own, planned.examples, planned.characters, predicted),
            problem=problem,
        )

    def cell(self, start: _Start, task: Task, target_seed: int) -> Iterator[Cell]:
        """Yield a cell with its target run, and the intermediate training's own cells; or note the exclusion."""
        planned = self.target_run(start, task, target_seed)
        cell = _cell_of(start, task.name, target_seed if task.trains else UNUSED_SEED, planned.run.id)
        self.sizes.setdefault(start.task, set()).add(start.size)
        matching = [number for number, item in enumerate(self.grid.exclude) if _matches(item, cell)]
        self.used_exclusions.update(matching)
        if matching:
            self.excluded.append(Excluded(cell, self.grid.exclude[matching[0]].reason))
            return
        self.resolver.problems.extend(filter(None, [start.problem]))
        if start.run:
            self.runs.append(start.run)
            for prediction in start.run.request.predictions:
                yield _cell_of(start, prediction.task, UNUSED_SEED, start.run.run.id)
        self.runs.append(planned)
        yield cell

    def check_exclusions(self) -> None:
        """Note the exclusions that match no cell: most likely mistyped."""
        for number, item in enumerate(self.grid.exclude):
            if number not in self.used_exclusions:
                where = item.where.model_dump(exclude_none=True)
                sizes = sorted(self.sizes.get(str(item.where.task), ()))
                hint = f" (sizes of {item.where.task}: {', '.join(map(str, sizes))})" if sizes else ""
                self.resolver.problems.append(
                    f"exclude: {where} ({item.reason}) matches no cell{hint}; correct or remove it"
                )

    def target_run(self, start: _Start, task: Task, target_seed: int) -> PlannedRun:
        """Return the run that answers a target: a training on its English set, or a reading of the encoder."""
        resolver = self.resolver
        request, examples, characters = resolver.request(task, resolver.split(task))
        predicted = {task.name: (examples, characters)}
        if not request.predictions:
            resolver.problems.append(
                f"{task.name}: no labelled {resolver.split(task)} file in {resolver.data.root}; use split: auto"
            )
        parent = (start.run.run.id, start.run.run.name) if start.run else ("", "")
        if not task.trains:
            run = Run(self.model, None, resolver.recipe((task.name,), task), *parent)
            return PlannedRun(run, Stage.RETRIEVAL, request, predicted=predicted)
        planned = resolver.target(task, target_seed)
        recipe = resolver.recipe((task.training_set,), task).without_idle_floor(planned.examples)
        run = Run(self.model, planned.training, recipe, *parent)
        return PlannedRun(run, Stage.TARGET, request, planned.examples, planned.characters, predicted)


def _sets(entry: IntermediateEntry) -> list[tuple[str, ...]]:
    """Return the sets of tasks that are trained jointly; a mixture by name, so that the file's order is no matter."""
    return [tuple(sorted(entry.mixture))] if entry.mixture else [(name,) for name in entry.task or ()]


def _cell_of(start: _Start, target: str, target_seed: int, run: str) -> Cell:
    return Cell(
        intermediate=start.task,
        size=start.size,
        full=start.full,
        variant=start.variant,
        schedule=start.schedule,
        data_seed=start.data_seed,
        train_seed=start.train_seed,
        target_seed=target_seed,
        target=target,
        run=run,
    )


def _matches(exclusion: Exclusion, cell: Cell) -> bool:
    where = exclusion.where.model_dump(exclude_none=True)
    where["intermediate"] = where.pop("task", cell.intermediate)
    size = where.pop("size", cell.size)
    same_size = cell.full if size == FULL else cell.size == size
    return same_size and all(getattr(cell, name) == value for name, value in where.items())


def expand(grid: Grid, *, root: Path, published: bool = False) -> Plan:
    """Return the plan of a grid; whatever does not fit the data is one error that lists all of it.

    `published` counts the publishers' files instead of those under the root: its runs have other ids than with data.
    """
    memory = Memory(root / "cache" / "data.json")
    data = PublishedData() if published else DataFolder(_under(root, grid.data), memory)
    source = model_source(grid.model, root=root, memory=memory, needed=not published)
    resolver = Resolver(grid, data, longest_text(source, root=root))
    _check_languages(resolver)
    expander = _Expander(grid, source, resolver)
    try:
        cells = tuple(dict.fromkeys(expander.cells()))
    finally:
        memory.save()  # what was found out of the other files, where one is wrong
    _check_distinct(cells)
    expander.check_exclusions()
    if resolver.problems:
        raise GridError("\n".join(dict.fromkeys(resolver.problems)))
    if not cells:
        raise GridError(f"grid {grid.name}: every cell is excluded; nothing is left to run")
    return Plan(
        name=grid.name,
        question=grid.question,
        data=grid.data,
        runs=parents_first(expander.runs),
        cells=cells,
        excluded=tuple(dict.fromkeys(expander.excluded)),
        absent={task.name: _absent(resolver, task) for task in resolver.targets}
        | dict.fromkeys(resolver.without_dev, (ENGLISH,)),
        digest=cells_digest(cells),
        left_out={name: tuple(rows) for name, rows in resolver.left_out.items() if rows},
        asked=grid.digest,
    )


def _check_distinct(cells: Sequence[Cell]) -> None:
    """Refuse two runs that a table would show as one."""
    runs: dict[Cell, str] = {}
    for cell in cells:
        other = runs.setdefault(replace(cell, run=""), cell.run)
        if other != cell.run:
            raise GridError(f"runs {other} and {cell.run} would be one row of the tables; take one out of the grid")


def _under(root: Path, path: str) -> Path:
    return root / Path(path).expanduser()


def _absent(resolver: Resolver, task: Task) -> tuple[str, ...]:
    if "all" not in resolver.grid.target.languages:
        return ()
    predictions = resolver.request(task, resolver.split(task))[0].predictions
    here = predictions[0].languages if predictions else ()
    made_up = any(code in MADE_UP for code in here)
    return () if made_up else tuple(code for code in task.languages if code not in here)


def _check_languages(resolver: Resolver) -> None:
    """Refuse a language that none of the target tasks has."""
    known = {*MADE_UP, *itertools.chain.from_iterable(task.languages for task in resolver.targets)}
    for code in resolver.grid.target.languages:
        if code != "all" and code not in known:
            names = ", ".join(resolver.grid.target.task)
            raise GridError(f"target.languages: {code} is not evaluated by any target task of the grid ({names})")
