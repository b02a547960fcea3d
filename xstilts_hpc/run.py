"""One run: its description, its id, and what is asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import MALFORMED, digest_of, made_of
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.training import Training

# Raised when the same description would give other numbers than before.
METHOD = 2
SCHEMA = 2
_DIGITS = 10


@dataclass(frozen=True)
class ModelSource:
    """Where a model and its tokenizer come from: a hub id pinned to a revision, or a folder pinned by digest.

    A folder without a digest is not there: a plan by published sizes does without, and nothing else.
    """

    id: str = ""
    revision: str = ""
    path: str = ""
    digest: str = ""

    def describe(self) -> dict[str, str]:
        """Return what pins the weights; where a folder lies does not matter."""
        return {"digest": self.digest} if self.path else {"id": self.id, "revision": self.revision}


@dataclass(frozen=True)
class Run:
    """One unit of work: one training (or none) from a model or a parent's encoder. A pure description."""

    model: ModelSource
    training: Training | None
    recipe: Recipe
    parent: str = ""
    parent_name: str = ""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the id: a readable name and a hash of the description."""
        object.__setattr__(self, "id", f"{self.name}-{digest_of(self.describe())[:_DIGITS]}")

    @property
    def name(self) -> str:
        """Return the readable part of the id."""
        own = self.training.name if self.training else "encoder"
        return f"{own}_after_{self.parent_name}" if self.parent_name else own

    def describe(self) -> dict[str, Any]:
        """Return the full scientific description, from which the id is made."""
        return {
            "method": METHOD,
            "model": self.model.describe(),
            "training": self.training.to_json() if self.training else None,
            "recipe": self.recipe.describe(trains=self.training is not None),
            "parent": self.parent,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "model": dict(vars(self.model)),
            "training": self.training.to_json() if self.training else None,
            "recipe": dict(vars(self.recipe)),
            "parent": self.parent,
            "parent_name": self.parent_name,
            "description": self.describe(),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Run":
        """Return the run of a JSON value; one whose id does not follow from it is refused."""
        try:
            training = Training.from_json(value["training"]) if value["training"] else None
            recipe, model = made_of(Recipe, value["recipe"]), made_of(ModelSource, value["model"])
            run, wanted = Run(model, training, recipe, value["parent"], value["parent_name"]), value["id"]
        except MALFORMED as error:
            raise RunError(f"not the description of a run of this version ({error}); submit its grid again") from error
        if run.id != wanted:
            raise RunError(f"run {wanted}: its description gives id {run.id}; it was edited or is of another version")
        return run


@dataclass(frozen=True)
class Prediction:
    """Predictions asked of a run: a task's split, and the digest of the evaluation data by language."""

    task: str
    split: str
    data: Mapping[str, str]

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages asked for."""
        return tuple(self.data)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Prediction":
        """Return the predictions of a JSON value; TypeError where it is of another form."""
        made = made_of(Prediction, value)
        if not isinstance(made.data, dict) or not all(isinstance(digest, str) for digest in made.data.values()):
            raise TypeError(f"data is {made.data!r}, expected a digest by language")
        return made


@dataclass(frozen=True)
class Request:
    """What a run must leave behind: predictions, and its encoder if another run starts from it.

    `data` is the folder of the data sets, relative to the root.
    """

    predictions: tuple[Prediction, ...]
    data: str = ""
    keep_encoder: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON."""
        predictions = [{"task": p.task, "split": str(p.split), "data": dict(p.data)} for p in self.predictions]
        return {"predictions": predictions, "data": self.data, "keep_encoder": self.keep_encoder}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Request":
        """Return the request of a JSON value."""
        try:
            predictions = tuple(Prediction.from_json(p) for p in value["predictions"])
            return made_of(
                Request, {"predictions": predictions, "data": value["data"], "keep_encoder": value["keep_encoder"]}
            )
        except MALFORMED as error:
            raise RunError(f"not what a run is asked, in this version ({error}); submit its grid again") from error

    def union(self, other: "Request") -> "Request":
        """Return what answers both requests; where the data of a language differ, `other` wins."""
        merged: dict[tuple[str, str], dict[str, str]] = {}
        for prediction in (*self.predictions, *other.predictions):
            merged.setdefault((prediction.task, prediction.split), {}).update(prediction.data)
        tasks = [task for task, _ in merged]
        twice = sorted({task for task in tasks if tasks.count(task) > 1})
        if twice:
            raise RunError(f"{', '.join(twice)}: two splits asked of one run, by different grids; use another --root")
        predictions = tuple(Prediction(task, split, data) for (task, split), data in merged.items())
        return Request(predictions, other.data or self.data, self.keep_encoder or other.keep_encoder)
