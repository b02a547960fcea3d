"""Share of predictions equal to their reference, also of words, and with the F1 of one label."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from xstilts_hpc.metrics.base import Floats, SummedMetric, f1_parts, ratio
from xstilts_hpc.metrics.tags import right_words, tags_of

_POSITIVE = "1"


def equal_pairs(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Floats:
    """Return for each example whether both are equal, and 1."""
    equal = [p == r for p, r in zip(predictions, references, strict=True)]
    return np.column_stack([np.array(equal, dtype=np.float64), np.ones(len(equal))])


def accuracy_part(sums: Floats) -> dict[str, Floats]:
    """Return the share of equal pairs."""
    return {"accuracy": ratio(sums[..., 0], sums[..., 1])}


ACCURACY = SummedMetric("accuracy", ("accuracy",), equal_pairs, accuracy_part)


def _equal_and_positive(predictions: Sequence[Any], references: Sequence[Any], language: str = "") -> Floats:
    """Return what accuracy needs, and whether both sides, the prediction and the reference are the label "1"."""
    equal = equal_pairs(predictions, references)
    predicted, gold = (np.array([label == _POSITIVE for label in side], bool) for side in (predictions, references))
    return np.column_stack([equal, predicted & gold, predicted, gold])


def _accuracy_and_f1_parts(sums: Floats) -> dict[str, Floats]:
    """Return accuracy, and precision, recall and F1 of the label "1" (GLUE's QQP)."""
    return {**accuracy_part(sums), **f1_parts(sums[..., 2:])}


ACCURACY_AND_F1 = SummedMetric("accuracy and F1", ("accuracy", "f1"), _equal_and_positive, _accuracy_and_f1_parts)


def _right_words(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], language: str) -> Floats:
    """Return the words with the right tag and all words of each sentence."""
    return right_words(*tags_of(predictions, references))


TOKEN_ACCURACY = SummedMetric("token accuracy", ("accuracy",), _right_words, accuracy_part)
