"""From logits to predictions, and from predictions to scores: used by the run itself and by the collector alike."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.examples import Kind
from xstilts_hpc.logits import Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.tasks.base import Task

# Decoding of spans as in the study's code and XTREME's scripts.
N_BEST = 20
MAX_ANSWER_TOKENS = 30


def score(task: Task, logits: Logits, language: str) -> dict[str, float]:
    """Return the parts of the task's metric for one language, each in [0, 1]."""
    return dict(task.metric.compute(predictions(task, logits), references(task, logits), language))


def predictions(task: Task, logits: Logits) -> Sequence[Any]:
    """Return one prediction per example: a label, tags, an answer's text, or a candidate's index."""
    return _PREDICT[task.kind](task, logits)


def references(task: Task, logits: Logits) -> Sequence[Any]:
    """Return the gold of every example in the metric's form; LogitsError where the file has none."""
    if isinstance(logits, SpanLogits):
        if logits.answers is None:
            raise LogitsError(f"{task.title}: the logits hold no answers, so they cannot be scored")
        return [[answer["text"] for answer in json.loads(text)] for text in logits.answers]
    if logits.gold is None:
        raise LogitsError(f"{task.title}: the logits hold no labels, so they cannot be scored")
    if isinstance(logits, TokenLogits):
        return list(_sentences(np.asarray(task.labels)[logits.gold], logits.first_word))
    if isinstance(logits, RetrievalLogits):
        return [int(i) for i in logits.gold]
    return [task.labels[i] for i in logits.gold]


def _labels(task: Task, logits: SequenceLogits) -> list[str]:
    return [task.labels[i] for i in logits.logits.argmax(axis=1)]


def _tags(task: Task, logits: TokenLogits) -> list[list[str]]:
    best = np.asarray(task.labels)[logits.logits.argmax(axis=1)] if len(logits.logits) else np.asarray([], dtype=str)
    return list(_sentences(best, logits.first_word))


def _sentences(tags: NDArray[Any], first_word: NDArray[np.int64]) -> Iterator[list[str]]:
    for start, end in pairwise(first_word):
        yield tags[start:end].tolist()


def _answers(task: Task, logits: SpanLogits) -> list[str]:
    best = [(-np.inf, "")] * len(logits.example_id)
    bounds = pairwise(logits.first_token)
    for example, (start, end) in zip(logits.feature_example, bounds, strict=True):
        found = _best_span(logits, int(start), int(end))
        if found and found[0] > best[example][0]:
            context = logits.contexts[logits.example_context[example]]
            best[example] = (found[0], context[found[1] : found[2]])
    return [text for _, text in best]


def _best_span(logits: SpanLogits, first: int, last: int) -> tuple[float, int, int] | None:
    """Return (score, first character, end character) of the best span of one feature, None where none is allowed."""
    start_logits, end_logits = logits.start_logits[first:last], logits.end_logits[first:last]
    starts = np.argsort(-start_logits, kind="stable")[:N_BEST]
    ends = np.argsort(-end_logits, kind="stable")[:N_BEST]
    lengths = ends[None, :] - starts[:, None] + 1
    allowed = (
        (lengths >= 1) & (lengths <= MAX_ANSWER_TOKENS) & logits.max_context[first:last][starts, None].astype(bool)
    )
    if not allowed.any():
        return None
    scores = np.where(allowed, start_logits[starts, None] + end_logits[None, ends], -np.inf)
    i, j = np.unravel_index(int(scores.argmax()), scores.shape)
    offsets = logits.offsets[first:last]
    return float(scores[i, j]), int(offsets[starts[i], 0]), int(offsets[ends[j], 1])


def _candidates(task: Task, logits: RetrievalLogits) -> list[int]:
    return [int(i) for i in logits.neighbours[:, 0]]


_PREDICT: dict[Kind, Callable[[Task, Any], Sequence[Any]]] = {
    Kind.SEQUENCE: _labels,
    Kind.CHOICE: _labels,
    Kind.TOKEN: _tags,
    Kind.SPAN: _answers,
    Kind.RETRIEVAL: _candidates,
}
