"""What a metric is: a function and the parts of its answer that a table shows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MetricFunction = Callable[[Sequence[Any], Sequence[Any], str], Mapping[str, float]]
CountFunction = Callable[[Sequence[Any], Sequence[Any], str], Floats]
PartsFunction = Callable[[Floats], Mapping[str, Floats]]


@dataclass(frozen=True)
class Metric(ABC):
    """A function of (predictions, references, language), and the parts whose mean is the headline."""

    name: str
    headline_parts: tuple[str, ...]

    @abstractmethod
    def compute(self, predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Mapping[str, float]:
        """Return the parts, each in [0, 1]."""

    def headline(self, parts: Mapping[str, float]) -> float:
        """Return the number a table shows: the mean of the headline parts, in [0, 1]."""
        return float(np.mean([parts[name] for name in self.headline_parts]))


@dataclass(frozen=True)
class SummedMetric(Metric):
    """A metric that is a function of sums over items, so that it can be computed on resampled items.

    `count` returns what each item adds, `[items, k]`; an item is a pair of prediction and reference, in order, unless
    the function says otherwise. `parts` turns sums, `[..., k]`, into the parts of the metric.
    """

    count: CountFunction
    parts: PartsFunction

    def compute(self, predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> dict[str, float]:
        """Return the parts, each in [0, 1]."""
        sums = self.count(predictions, references, language).sum(axis=0)
        return {name: float(value) for name, value in self.parts(sums).items()}


@dataclass(frozen=True)
class WholeMetric(Metric):
    """A metric that only all items together have."""

    function: MetricFunction

    def compute(self, predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Mapping[str, float]:
        """Return the parts, each in [0, 1]."""
        return self.function(predictions, references, language)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Return the quotients, 0 where nothing was counted (as the official scorers do)."""
    above, below = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below != 0)


def f1_parts(sums: Floats) -> dict[str, Floats]:
    """Return precision, recall and F1 of pooled counts `[..., 3]`: correct, predicted and gold."""
    correct, predicted, gold = np.moveaxis(sums, -1, 0)
    precision, recall = ratio(correct, predicted), ratio(correct, gold)
    return {"f1": ratio(2 * precision * recall, precision + recall), "precision": precision, "recall": recall}
