"""The hyperparameters of one training, with their defaults (see the README for their sources)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

# What shapes a prediction; a run without training is described by these alone.
_READING = ("max_length", "doc_stride", "max_query_length")
_RETRIEVAL = ("retrieval_layer_fraction", "pooling")


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one training. Defaults: jiant's X-STILTs guide and simple runscript (commit daa5a25).

    `batch_size` is the effective batch in features, over all ranks and accumulation. `steps` (when not 0) fixes the
    number of updates and is what the schedule `equal_steps` uses. `retrieval_layer_fraction` picks the hidden state
    for sentence retrieval as a fraction of the depth (14 of 24).
    """

    learning_rate: float = 1e-5
    batch_size: int = 32
    epochs: float = 3.0
    steps: int = 0
    min_steps: int = 1
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    max_length: int = 256
    doc_stride: int = 128
    max_query_length: int = 64
    retrieval_layer_fraction: float = 14 / 24
    pooling: str = "mean"

    def __post_init__(self) -> None:
        """Make 2 and 2.0 the same recipe, so that they give the same run id."""
        for item in fields(self):
            if isinstance(item.default, float):
                object.__setattr__(self, item.name, float(getattr(self, item.name)))

    def with_changes(self, *changes: Mapping[str, Any]) -> "Recipe":
        """Return the recipe with several sets of changes applied, later ones over earlier ones."""
        merged: dict[str, Any] = {}
        for change in changes:
            merged.update(change)
        return replace(self, **merged)

    def describe(self, *, trains: bool) -> dict[str, Any]:
        """Return the fields that decide the outcome of a run that trains, or of one that only reads an encoder."""
        if trains:
            return {name: value for name, value in vars(self).items() if name not in _RETRIEVAL}
        return {name: getattr(self, name) for name in (*_READING, *_RETRIEVAL)}

    def num_steps(self, features: int) -> int:
        """Return the number of updates for a training set of so many features."""
        return self.steps or max(self.min_steps, self.steps_by_epochs(features))

    def without_idle_floor(self, examples: int) -> "Recipe":
        """Return the recipe without `min_steps` where so many examples get as many updates anyway: the same run."""
        idle = self.steps or self.min_steps <= self.steps_by_epochs(examples)
        return replace(self, min_steps=1) if idle else self

    def steps_by_epochs(self, features: int) -> int:
        """Return the number of updates that see every feature `epochs` times."""
        return -(-int(self.epochs * features) // self.batch_size)
