"""SQuAD v2.0: exact match and F1 where a question may have no answer, at the best threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.metrics.base import Floats, WholeMetric, ratio
from xstilts_hpc.metrics.squad import best_f1, normalise


@dataclass(frozen=True, slots=True)
class NullableAnswer:
    """The text of the best span ("" if none is allowed), and the score of "no answer" minus that span's score."""

    text: str
    null_margin: float


@dataclass(frozen=True)
class _Questions:
    """What the choice of a threshold needs of each question."""

    margin: Floats
    answerable: NDArray[np.bool_]
    has_text: NDArray[np.bool_]

    def best(self, scores: Floats) -> float:
        """Return the best mean over all thresholds; a question is answered where its margin is not above it.

        As in the official script, questions of equal margin are taken one by one, and an unanswerable question counts
        as wrong once it has a text, even one that is normalised to nothing.
        """
        if not len(scores):
            return 0.0
        unanswerable = np.count_nonzero(~self.answerable)
        change = np.where(self.answerable, scores, np.where(self.has_text, -1.0, 0.0))
        sums = np.cumsum([unanswerable, *change[np.argsort(self.margin, kind="stable")]])
        return float(sums.max()) / len(scores)

    def at_zero(self, scores: Floats) -> float:
        """Return the mean where a question is answered if its span scores at least as high as no answer."""
        found = np.where(self.margin > 0, ~self.answerable, scores)
        return float(ratio(found.sum(), len(scores)))


def squad_v2(
    predictions: Sequence[NullableAnswer], references: Sequence[Sequence[str]], language: str = ""
) -> dict[str, float]:
    """Return exact match and F1, each at its best threshold on these questions and at threshold 0.

    A question without an answer has no reference; a text that is normalised to nothing is then right.
    """
    normal = cache(normalise)
    exact, f1 = np.zeros(len(references)), np.zeros(len(references))
    for i, (prediction, answers) in enumerate(zip(predictions, references, strict=True)):
        text = normal(prediction.text)
        golds = [gold for gold in map(normal, answers) if gold] or [""]
        exact[i] = text in golds
        f1[i] = 1.0 if text in golds else best_f1(text, golds)
    questions = _Questions(
        np.array([prediction.null_margin for prediction in predictions], dtype=np.float64),
        np.array([bool(answers) for answers in references], dtype=bool),
        np.array([bool(prediction.text) for prediction in predictions], dtype=bool),
    )
    return {
        "exact_match": questions.best(exact),
        "f1": questions.best(f1),
        "exact_match_at_zero": questions.at_zero(exact),
        "f1_at_zero": questions.at_zero(f1),
    }


SQUAD_V2 = WholeMetric("best EM and F1", ("exact_match", "f1"), squad_v2)
