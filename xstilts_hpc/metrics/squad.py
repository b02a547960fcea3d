"""Exact match and token F1 of SQuAD v1.1's script, which XTREME uses for XQuAD and TyDiQA in every language."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

from xstilts_hpc.metrics.base import Metric, ratio

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower-case, delete ASCII punctuation and English articles, and squeeze white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def token_f1(prediction: str, answer: str) -> float:
    """Return the F1 of the bags of white-space tokens of two normalised texts."""
    predicted, gold = prediction.split(), answer.split()
    common = sum((Counter(predicted) & Counter(gold)).values())
    precision, recall = ratio(common, len(predicted)), ratio(common, len(gold))
    return ratio(2 * precision * recall, precision + recall)


def best(score: Callable[[str, str], float], prediction: str, answers: Sequence[str]) -> float:
    """Return the best score of a prediction against any of the answers."""
    return max((score(prediction, answer) for answer in answers), default=0.0)


def exact(prediction: str, answer: str) -> float:
    """Return 1 where two normalised texts are equal, else 0."""
    return float(prediction == answer)


def squad(
    predictions: Sequence[str | None], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return exact match and F1; a question has one predicted text (None: no prediction, scores 0) and its answers."""
    matched = f1 = 0.0
    for prediction, answers in zip(predictions, references, strict=True):
        if prediction is None:
            continue
        text, golds = normalise(prediction), [normalise(answer) for answer in answers]
        matched += best(exact, text, golds)
        f1 += best(token_f1, text, golds)
    return {"exact_match": ratio(matched, len(references)), "f1": ratio(f1, len(references))}


SQUAD = Metric("EM and F1", squad, ("exact_match", "f1"))
