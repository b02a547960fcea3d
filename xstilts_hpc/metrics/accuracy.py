"""Share of predictions equal to their reference."""

from collections.abc import Sequence
from typing import Any

from xstilts_hpc.metrics.base import Metric, ratio


def accuracy(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> dict[str, float]:
    """Return the share of equal pairs; both sequences have one entry per example."""
    equal = sum(p == r for p, r in zip(predictions, references, strict=True))
    return {"accuracy": ratio(equal, len(references))}


ACCURACY = Metric("accuracy", accuracy, ("accuracy",))


def accuracy_and_f1(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> dict[str, float]:
    """Return accuracy, and precision, recall and F1 of the label "1" (GLUE's QQP)."""
    raise NotImplementedError


ACCURACY_AND_F1 = Metric("accuracy and F1", accuracy_and_f1, ("accuracy", "f1"))
