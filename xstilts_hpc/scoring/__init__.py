"""From logits to predictions, and from predictions to scores: used by the run itself and by the collector alike."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.examples import Kind
from xstilts_hpc.logits import Header, Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.metrics.tags import Tags
from xstilts_hpc.scoring.pairs import gold_candidates, gold_pairs, mined_pairs, nearest_candidates
from xstilts_hpc.scoring.spans import answers, nullable_answers
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task


def task_of_file(header: Header) -> Task:
    """Return the task of a logits file; one whose labels stand in its data has those that the file names."""
    task = task_of(header.task)
    return replace(task, labels=header.labels) if task.open_labels else task


def score(task: Task, logits: Logits, language: str) -> dict[str, float]:
    """Return the parts of the task's metric for one language, each in [0, 1]."""
    return dict(task.metric.compute(*answers_and_gold(task, logits), language))


def answers_and_gold(task: Task, logits: Logits) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return what `predictions` and `references` do, in the form that a metric reads fastest."""
    return _PREDICT[task.kind](task, logits), _references(task, logits)


def predictions(task: Task, logits: Logits) -> list[Any]:
    """Return one prediction per example: a label, tags, an answer's text, or a candidate's index.

    Where questions may have no answer it is a NullableAnswer; where pairs are mined, the result is all pairs of a
    foreign and an English id, best first.
    """
    return list(_PREDICT[task.kind](task, logits))


def references(task: Task, logits: Logits) -> list[Any]:
    """Return the gold of every example in the metric's form; LogitsError where the file has none."""
    return list(_references(task, logits))


def _references(task: Task, logits: Logits) -> Sequence[Any]:
    if isinstance(logits, SpanLogits):
        if logits.answers is None:
            raise LogitsError(f"{task.title}: the logits hold no answers, so they cannot be scored")
        return [[answer["text"] for answer in found] for found in json.loads(f"[{','.join(logits.answers)}]")]
    if logits.gold is None:
        raise LogitsError(f"{task.title}: the logits hold no labels, so they cannot be scored")
    if isinstance(logits, TokenLogits):
        return Tags(task.labels, logits.gold, logits.first_word)
    if isinstance(logits, RetrievalLogits):
        return gold_pairs(logits) if task.mining else gold_candidates(task, logits)
    return [task.labels[i] for i in logits.gold.tolist()]


def _labels(task: Task, logits: SequenceLogits) -> list[str]:
    return [task.labels[i] for i in _largest(task, logits.logits).tolist()]


def _tags(task: Task, logits: TokenLogits) -> Tags:
    return Tags(task.labels, _largest(task, logits.logits), logits.first_word)


def _largest(task: Task, logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the column of the largest logit of each row (the first of equal ones)."""
    if logits.shape[1] != len(task.labels):
        raise LogitsError(
            f"{task.title}: the logits have {logits.shape[1]} columns, expected {len(task.labels)} labels"
        )
    largest: NDArray[np.int64] = logits.argmax(axis=1)
    return largest


def _spans(task: Task, logits: SpanLogits) -> Sequence[Any]:
    return nullable_answers(logits) if task.unanswerable else answers(logits)


def _retrieved(task: Task, logits: RetrievalLogits) -> Sequence[Any]:
    return mined_pairs(task, logits) if task.mining else nearest_candidates(logits)


_PREDICT: dict[Kind, Callable[[Task, Any], Sequence[Any]]] = {
    Kind.SEQUENCE: _labels,
    Kind.CHOICE: _labels,
    Kind.TOKEN: _tags,
    Kind.SPAN: _spans,
    Kind.RETRIEVAL: _retrieved,
}
