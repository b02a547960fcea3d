"""Share of predictions equal to their reference, also of words, and with the F1 of one label."""

from collections.abc import Sequence
from typing import Any

from xstilts_hpc.metrics.base import Metric, f1_from_counts, ratio
from xstilts_hpc.metrics.tags import share_of_right_words, tags_of

_POSITIVE = "1"


def accuracy(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> dict[str, float]:
    """Return the share of equal pairs; both sequences have one entry per example."""
    equal = sum(p == r for p, r in zip(predictions, references, strict=True))
    return {"accuracy": ratio(equal, len(references))}


ACCURACY = Metric("accuracy", accuracy, ("accuracy",))


def accuracy_and_f1(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> dict[str, float]:
    """Return accuracy, and precision, recall and F1 of the label "1" (GLUE's QQP)."""
    right = sum(p == r == _POSITIVE for p, r in zip(predictions, references, strict=True))
    predicted, gold = (sum(label == _POSITIVE for label in labels) for labels in (predictions, references))
    return {**accuracy(predictions, references), **f1_from_counts(right, predicted, gold)}


ACCURACY_AND_F1 = Metric("accuracy and F1", accuracy_and_f1, ("accuracy", "f1"))


def token_accuracy(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return the share of words with the right tag; one tag sequence per sentence on both sides."""
    return {"accuracy": share_of_right_words(*tags_of(predictions, references))}


TOKEN_ACCURACY = Metric("token accuracy", token_accuracy, ("accuracy",))
