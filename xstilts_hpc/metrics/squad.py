"""Exact match and token F1 of SQuAD v1.1's script, which XTREME uses for XQuAD and TyDiQA in every language."""

import re
import string
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from xstilts_hpc.metrics.base import Floats, SummedMetric, ratio

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]+")


def normalise(text: str) -> str:
    """Lower-case, delete ASCII punctuation and English articles, and squeeze white space."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub("", text.lower())).split())


def token_f1(prediction: str, answer: str) -> float:
    """Return the F1 of the bags of white-space tokens of two normalised texts."""
    predicted, gold = prediction.split(), answer.split()
    common = sum(min(predicted.count(word), gold.count(word)) for word in set(predicted).intersection(gold))
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def best_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the best F1 of a normalised prediction against any of the normalised answers."""
    return max((token_f1(prediction, answer) for answer in answers), default=0.0)


def exact_match_and_f1(
    predictions: Sequence[str | None], references: Sequence[Sequence[str]], normal: Callable[[str], str]
) -> Floats:
    """Return for each question whether it matches, its F1, and 1; texts are made comparable by `normal`.

    It is called once per distinct text. A question has one predicted text (None: no prediction, scores 0) and its
    answers.
    """
    counts, normal = np.zeros((len(references), 3)), cache(normal)
    counts[:, 2] = 1
    for i, (prediction, answers) in enumerate(zip(predictions, references, strict=True)):
        if prediction is None:
            continue
        text, golds = normal(prediction), [normal(answer) for answer in answers]
        same = text in golds
        # Texts without a token have nothing in common: the script gives them F1 0 though they are equal.
        counts[i, :2] = same, 1.0 if same and text else best_f1(text, golds)
    return counts


def em_and_f1_parts(sums: Floats) -> dict[str, Floats]:
    """Return the means of exact match and F1."""
    return {"exact_match": ratio(sums[..., 0], sums[..., 2]), "f1": ratio(sums[..., 1], sums[..., 2])}


def _count(predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str) -> Floats:
    return exact_match_and_f1(predictions, references, normalise)


SQUAD = SummedMetric("EM and F1", ("exact_match", "f1"), _count, em_and_f1_parts)
