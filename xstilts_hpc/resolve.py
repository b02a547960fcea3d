"""What a grid asks, resolved against the data and the model: training sets, recipes, evaluation sets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from xstilts_hpc.errors import DataError, GridError
from xstilts_hpc.examples import Kind
from xstilts_hpc.grid import Grid, IntermediateEntry, MlmEntry, Temperature
from xstilts_hpc.grid_values import FULL
from xstilts_hpc.languages import ENGLISH, MADE_UP
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.run import Prediction, Request
from xstilts_hpc.tasks import task_of, tasks_with
from xstilts_hpc.tasks.base import Role, Split, Task
from xstilts_hpc.tasks.folder import DataFolder, sources_of
from xstilts_hpc.tasks.published import PublishedData
from xstilts_hpc.training import MASKED_TEXT, MIXTURE, PARAGRAPHS, Part, Sampling, Training

# Four special tokens, and at least as many of the context.
_LEAST_CONTEXT = 8
_NO_EXPONENT = 0.0


@dataclass(frozen=True)
class TrainingPlan:
    """A training, the number of its examples (text for masked-language modelling aside), and their mean length."""

    training: Training
    examples: int
    characters: float


@dataclass
class Resolver:
    """Looks everything up once, and gathers what does not fit."""

    grid: Grid
    data: DataFolder | PublishedData
    longest_text: int
    problems: list[str] = field(default_factory=list)
    left_out: dict[str, dict[str, None]] = field(default_factory=dict)
    without_dev: dict[str, None] = field(default_factory=dict)
    _requests: dict[tuple[str, Split], tuple[Request, int, float]] = field(default_factory=dict)
    _recipes: dict[tuple[Any, ...], Recipe] = field(default_factory=dict)
    _splits: dict[str, Split] = field(default_factory=dict)

    @cached_property
    def targets(self) -> tuple[Task, ...]:
        """Return the target tasks of the grid that are evaluated in at least one of its languages."""
        names, languages = self.grid.target.task, self.grid.target.languages
        tasks = tasks_with(Role.TARGET) if "all" in names else tuple(task_of(name) for name in names)
        return tuple(t for t in tasks if "all" in languages or {*t.languages, *MADE_UP} & {*languages})

    def intermediate(
        self, entry: IntermediateEntry, names: Sequence[str], size: int | str, seeds: tuple[int, int]
    ) -> tuple[TrainingPlan, str]:
        """Return the training of some tasks in the form an entry asks for, and what is wrong with it ("": nothing)."""
        languages = tuple(sorted(entry.translated or [ENGLISH]))
        found = [self._part(task_of(name), size, languages, capped=len(names) > 1) for name in names]
        whole = entry.subset == PARAGRAPHS
        parts = [replace(part, drawn=PARAGRAPHS) if whole and part.size else part for part, *_ in found]
        if entry.mlm:
            parts.append(self._text(entry.mlm))
        data_seed = seeds[0] if any(part.size for part in parts) else 0
        weight = entry.mlm.weight if entry.mlm else 0.0
        training = Training(tuple(parts), data_seed, seeds[1], _sampling(entry), weight)
        examples = sum(count for _, count, *_ in found)
        characters = sum(count * length for _, count, length, _ in found) / examples
        return TrainingPlan(training, examples, characters), "\n".join(filter(None, (item[-1] for item in found)))

    def target(self, task: Task, target_seed: int) -> TrainingPlan:
        """Return the training of a target task on its English training set."""
        part, count, length, problem = self._part(task_of(task.training_set), self.grid.target.size, (ENGLISH,))
        self.problems.extend(filter(None, [problem]))
        return TrainingPlan(Training((part,), 0, target_seed), count, length)

    def _part(
        self, task: Task, size: int | str, languages: tuple[str, ...], *, capped: bool = False
    ) -> tuple[Part, int, float, str]:
        """Return a task's part, its number of examples, their mean length, and what is wrong with it."""
        self._check_translated(task, languages)
        facts = [self.data.facts(task, self.data.training_split(task, code), code) for code in languages]
        available = sum(f["examples"] for f in facts)
        problem = ""
        if isinstance(size, int) and size > available and not capped:
            problem = (
                f"{task.name}: size {size:,} is larger than its training set here ({available:,} examples in "
                f"{self.data.root}); use {FULL!r} or exclude it"
            )
        self.left_out.setdefault(task.name, {}).update(dict.fromkeys(row for f in facts for row in f["bad"]))
        if not all(f["gold"] for f in facts):
            problem = f"{task.name}: its training file under {self.data.root} has examples without labels"
        full = size in (FULL, available) or (capped and int(size) > available)
        count = available if full else int(size)
        length = sum(f["examples"] * f["characters"] for f in facts) / available
        digest = self.data.training_digest(task, languages)
        part = Part(task.name, digest, 0 if full else count, languages, "" if full else task.strata)
        return part, count, length, problem

    def _check_translated(self, task: Task, languages: Sequence[str]) -> None:
        """Refuse a translated training set that nobody publishes and that is not here either."""
        published = task.published.get(Split.TRANSLATED, {})
        for code in languages:
            split = self.data.training_split(task, code)
            possible = code in published or (not published and sources_of(task, split, code))
            if split is Split.TRANSLATED and not possible and not self.data.has(task, split, code):
                there = f"there are {', '.join(published)}" if published else "there is none"
                raise GridError(f"translated: no translation of {task.name} into {code} is published; {there}")

    def _text(self, mlm: MlmEntry) -> Part:
        """Return the text of masked-language modelling, in the languages that are named or all that are here."""
        text = task_of(MASKED_TEXT)
        codes = (*text.languages, *MADE_UP) if "all" in mlm.languages else sorted(mlm.languages)
        here = tuple(code for code in codes if "all" not in mlm.languages or self.data.has(text, Split.TRAIN, code))
        if not here:
            self.data.locate(text, Split.TRAIN)
        return Part(text.name, self.data.training_digest(text, here), 0, here)

    def recipe(self, training: Sequence[str], target: Task | None = None, schedule: str = "") -> Recipe:
        """Return the recipe: defaults, then the task's own, the grid's, and the grid's for this training set.

        A mixture takes the longest `max_length` of its tasks and the defaults otherwise; `recipe_for.mixture` is its.
        """
        name = training[0] if len(training) == 1 else MIXTURE
        key = (tuple(training), target.name if target else "", schedule)
        if key not in self._recipes:
            own = [task_of(task) for task in training] if target is None else [target]
            changes = [_own_changes(own), self.grid.changes(), self.grid.changes_for(name)]
            if target is not None and target.name != name:
                changes.append(self.grid.changes_for(target.name))
            recipe = Recipe().with_changes(*changes)
            self._recipes[key] = recipe if schedule == "equal_steps" else replace(recipe, steps=0)
            for task in own:
                self._check_recipe(recipe, task, schedule)
        return self._recipes[key]

    def _check_recipe(self, recipe: Recipe, task: Task, schedule: str) -> None:
        """Note what makes a recipe impossible for a task or the model."""
        length = f"{task.name}: max_length {recipe.max_length}"
        if task.kind is Kind.SPAN and recipe.max_length < recipe.max_query_length + _LEAST_CONTEXT:
            self.problems.append(
                f"{length} leaves no room for a context beside a question of "
                f"max_query_length {recipe.max_query_length}; raise the one or lower the other"
            )
        if recipe.max_length > self.longest_text:
            self.problems.append(f"{length} is more than the {self.longest_text} tokens that the model takes")
        if schedule == "equal_steps" and not recipe.steps:
            self.problems.append(f"{task.name}: schedule equal_steps needs recipe.steps, the number of updates")

    def own_request(self, names: Sequence[str]) -> tuple[Request, dict[str, tuple[int, float]]]:
        """Return what is asked of an intermediate training, each task's own English dev score, and the dev sets' sizes.

        A size is the number of examples and their mean length.
        """
        asked = [self.request(task_of(name), Split.DEV) for name in names if self.data.has(task_of(name), Split.DEV)]
        have = {prediction.task for request, *_ in asked for prediction in request.predictions}
        self.without_dev.update(dict.fromkeys(name for name in names if name not in have))
        predictions = tuple(prediction for request, *_ in asked for prediction in request.predictions)
        sizes = {found.task: (count, length) for request, count, length in asked for found in request.predictions}
        return Request(predictions, self.grid.data, keep_encoder=True), sizes

    def split(self, task: Task) -> Split:
        """Return the split a target is scored on."""
        if task.name not in self._splits:
            self._splits[task.name] = self.grid.target.split_of() or self.data.evaluation_split(task)
        return self._splits[task.name]

    def request(self, task: Task, split: Split) -> tuple[Request, int, float]:
        """Return what is asked of a task's split, with the number of examples and their mean length."""
        key = (task.name, split)
        if key not in self._requests:
            self._requests[key] = self._request(task, split)
        return self._requests[key]

    def _request(self, task: Task, split: Split) -> tuple[Request, int, float]:
        facts = {code: self.data.facts(task, split, code) for code in self._languages(task, split)}
        examples = sum(f["examples"] for f in facts.values())
        characters = sum(f["examples"] * f["characters"] for f in facts.values()) / max(1, examples)
        prediction = Prediction(task.name, split, {code: f["digest"] for code, f in facts.items()})
        return Request((prediction,) if facts else (), self.grid.data), examples, characters

    def _languages(self, task: Task, split: Split) -> tuple[str, ...]:
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


def _sampling(entry: IntermediateEntry) -> Sampling:
    if isinstance(entry.sampling, Temperature):
        return Sampling(1 / entry.sampling.temperature, entry.sampling.cap)
    return Sampling(_NO_EXPONENT) if entry.sampling == "uniform" else Sampling()


def _own_changes(tasks: Sequence[Task]) -> dict[str, Any]:
    if len(tasks) == 1:
        return dict(tasks[0].recipe)
    return {"max_length": max(Recipe().with_changes(task.recipe).max_length for task in tasks)}
