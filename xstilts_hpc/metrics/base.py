"""What a metric is: a function and the parts of its answer that a table shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MetricFunction = Callable[[Sequence[Any], Sequence[Any], str], Mapping[str, float]]


@dataclass(frozen=True)
class Metric:
    """A function of (predictions, references, language), and the parts whose mean is the headline."""

    name: str
    compute: MetricFunction
    headline_parts: tuple[str, ...]

    def headline(self, parts: Mapping[str, float]) -> float:
        """Return the number a table shows: the mean of the headline parts, in [0, 1]."""
        return float(np.mean([parts[name] for name in self.headline_parts]))


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, or 0 where nothing was counted (as the official scorers do)."""
    return numerator / denominator if denominator else 0.0


def f1_from_counts(correct: int, predicted: int, gold: int) -> dict[str, float]:
    """Return precision, recall and F1 from pooled counts."""
    precision, recall = ratio(correct, predicted), ratio(correct, gold)
    return {"f1": ratio(2 * precision * recall, precision + recall), "precision": precision, "recall": recall}
