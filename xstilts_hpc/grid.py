"""The grid file: what the researcher asks."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from xstilts_hpc.errors import GridError
from xstilts_hpc.examples import Kind
from xstilts_hpc.files import digest_of
from xstilts_hpc.grid_values import (
    FULL,
    NO_TASK,
    ExcludedTask,
    Intermediates,
    ManyLanguages,
    ManySeeds,
    ManySizes,
    Mixed,
    Schedule,
    Schedules,
    Seed,
    Size,
    Targets,
    TargetTask,
    TrainingName,
)
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.training import MIXTURE, PARAGRAPHS
from xstilts_hpc.yaml_file import load_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Temperature(_Strict):
    """Sampling of a mixture by temperature: a task's weight is min(its features, cap) to the power 1/temperature."""

    temperature: Annotated[float, Field(ge=1)]
    cap: Annotated[int, Field(ge=0)] = 0


class MlmEntry(_Strict):
    """Masked-language modelling mixed in: its share of all updates, and the languages of its text."""

    weight: Annotated[float, Field(gt=0, lt=1)]
    languages: ManyLanguages = ["all"]


class IntermediateEntry(_Strict):
    """One line of `intermediate:`: tasks (each by itself) or a mixture (jointly), and the sizes of the training sets.

    In a mixture a size is the most that is taken of each task. With `subset: paragraphs` a smaller set of questions is
    one of whole paragraphs, and a size is the most questions it has.
    """

    task: Intermediates | None = None
    mixture: Mixed | None = None
    size: ManySizes = [FULL]
    subset: Literal["examples", "paragraphs"] = "examples"
    sampling: Literal["proportional", "uniform"] | Temperature = "proportional"
    mlm: MlmEntry | None = None
    translated: ManyLanguages | None = None

    @model_validator(mode="after")
    def _fits(self) -> "IntermediateEntry":
        if bool(self.task) == bool(self.mixture):
            raise ValueError("expected either `task` (one or several, each by itself) or `mixture` (trained jointly)")
        if self.sampling != "proportional" and not self.mixture:
            raise ValueError("expected `sampling` only beside `mixture`")
        if self.translated and (self.mixture or "all" in self.translated):
            raise ValueError("expected `translated` beside `task`, with the languages named one by one")
        names = [*(self.task or ()), *(self.mixture or ())]
        if self.subset == PARAGRAPHS and any(n == NO_TASK or task_of(n).kind is not Kind.SPAN for n in names):
            raise ValueError("expected `subset: paragraphs` beside tasks with questions on paragraphs alone")
        if NO_TASK in names and (self.mlm or self.translated):
            raise ValueError("expected a task beside `mlm` or `translated`; put the baseline on a line of its own")
        return self


class TargetEntry(_Strict):
    """What is evaluated: target tasks, languages, the split, and the size of the English target training set.

    `all` tasks are those that ship, whatever other packages define.
    """

    task: Targets = ["all"]
    languages: ManyLanguages = ["all"]
    split: Literal["auto", "dev", "test"] = "auto"
    size: Size = FULL

    def split_of(self) -> Split | None:
        """Return the split that was asked for, None for automatic."""
        return None if self.split == "auto" else Split(self.split)


class Seeds(_Strict):
    """Typed seeds: which examples, order and heads and dropout of intermediate training, and of target training."""

    data: ManySeeds = [0]
    train: ManySeeds = [0]
    target: ManySeeds = [0]
    pair: bool = False

    @model_validator(mode="after")
    def _same_lengths(self) -> "Seeds":
        if self.pair and len({len(self.data), len(self.train), len(self.target)}) != 1:
            raise ValueError("expected as many data, train and target seeds as each other where `pair: true` zips them")
        return self


class ModelEntry(_Strict):
    """A model on the hub pinned to a commit, or a folder with an encoder and a tokenizer (relative to the root)."""

    id: str = ""
    revision: str = ""
    path: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> "ModelEntry":
        if bool(self.id) == bool(self.path):
            raise ValueError("expected either `id` with `revision`, or `path`")
        if self.id and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise ValueError("expected `revision` beside `id`: the model's commit (40 digits), so that weights stay")
        return self


def _recipe_changes() -> type[BaseModel]:
    """Return a model with every field of Recipe, all optional."""
    limits: dict[str, Any] = {
        "batch_size": {"ge": 1},
        "epochs": {"gt": 0},
        "learning_rate": {"gt": 0},
        "max_length": {"ge": 8},
    }
    shares = {"warmup_fraction": {"ge": 0, "le": 1}, "retrieval_layer_fraction": {"ge": 0, "le": 1}}
    definitions: dict[str, Any] = {}
    for item in fields(Recipe):
        assert item.default is not MISSING
        kind = Literal["mean", "cls"] if item.name == "pooling" else type(item.default)
        bounds = {**limits, **shares}.get(item.name, {} if item.name == "pooling" else {"ge": 0})
        definitions[item.name] = (Annotated[kind, Field(**bounds)] | None, None)
    return create_model("RecipeChanges", __base__=_Strict, **definitions)


RecipeChanges = _recipe_changes()


class Where(_Strict):
    """Conditions of an exclusion: a cell is excluded when every one that is given matches."""

    task: ExcludedTask | None = None
    size: Size | None = None
    target: TargetTask | None = None
    schedule: Schedule | None = None
    data_seed: Seed | None = None
    train_seed: Seed | None = None
    target_seed: Seed | None = None


class Exclusion(_Strict):
    """Cells left out, and why."""

    where: Where
    reason: Annotated[str, Field(min_length=1)]


class Grid(_Strict):
    """A grid file, checked."""

    schema_: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    question: str
    model: ModelEntry
    data: str
    intermediate: Annotated[list[IntermediateEntry], Field(min_length=1)]
    target: TargetEntry = TargetEntry()
    seeds: Seeds = Seeds()
    schedule: Schedules = ["equal_epochs"]
    recipe: RecipeChanges = RecipeChanges()  # type: ignore[valid-type]
    recipe_for: dict[TrainingName, RecipeChanges] = {}  # type: ignore[valid-type]
    exclude: list[Exclusion] = []

    @property
    def digest(self) -> str:
        """Return the digest of what the file says: comments and defaults that are written out change nothing."""
        return digest_of(self.model_dump(mode="json", by_alias=True, exclude_defaults=True))

    def changes(self) -> Mapping[str, Any]:
        """Return the grid's departures from the default recipe."""
        return _given(self.recipe)

    def changes_for(self, name: str) -> Mapping[str, Any]:
        """Return the departures for one training set or target task."""
        return _given(self.recipe_for[name]) if name in self.recipe_for else {}


def _given(changes: BaseModel) -> dict[str, Any]:
    return {name: float(value) if isinstance(value, float) else value for name, value in changes if value is not None}


def load_grid(path: Path) -> Grid:
    """Read and check a grid file; every problem in it is listed at once."""
    grid = load_yaml(path, Grid, GridError)
    entries = grid.intermediate if "equal_steps" in grid.schedule else []
    stepped = {name for entry in entries for name in (entry.task or [MIXTURE])} - {NO_TASK}
    if stepped and not (grid.changes().get("steps") or any(grid.recipe_for)):
        raise GridError(f"{path}: schedule equal_steps needs the number of updates; set recipe.steps")
    if idle := _idle_steps(grid, stepped):
        raise GridError("\n".join(f"{path}: {problem}" for problem in idle))
    return grid


def _idle_steps(grid: Grid, stepped: set[str]) -> list[str]:
    """Return what is wrong with each `steps` that serves none of the trainings that take so many updates."""
    given = {f"recipe_for.{name}.steps": (grid.changes_for(name), {name}) for name in grid.recipe_for}
    given["recipe.steps"] = (grid.changes(), stepped)
    return [
        f"found {key} {changes['steps']}, which no training takes; expected steps of intermediate trainings under "
        f"equal_steps (in this grid: {', '.join(sorted(stepped)) or 'none'}); set schedule, or epochs or min_steps "
        "instead"
        for key, (changes, names) in given.items()
        if changes.get("steps") and not names & stepped
    ]
