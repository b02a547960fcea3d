"""From start and end logits to answers, for many features at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.logits import Floats, Integers, SpanLogits
from xstilts_hpc.metrics.squad_v2 import NullableAnswer

# Decoding of spans as in the study's code and XTREME's scripts.
N_BEST = 20
MAX_ANSWER_TOKENS = 30
# Features decoded at once: enough to hide Python's cost, few enough for the processor's cache.
_FEATURES = 256


@dataclass(frozen=True)
class Spans:
    """The best span of each feature: its score (-inf where none is allowed), first and last token of the file."""

    score: Floats
    start: Integers
    end: Integers


def answers(logits: SpanLogits) -> list[str]:
    """Return the text of the best span of each example, "" where none is allowed."""
    return [text for text, _ in _best_texts(logits)]


def nullable_answers(logits: SpanLogits) -> list[NullableAnswer]:
    """Return the best span's text of each example, and how much better "no answer" scores.

    The score of "no answer" is the least over the example's features, as in the code of the study.
    """
    null = np.full(len(logits.example_id), np.inf)
    np.minimum.at(null, logits.feature_example, logits.null_logits.sum(axis=1, dtype=np.float64))
    best = zip(_best_texts(logits), null.tolist(), strict=True)
    return [NullableAnswer(text, margin - score) for (text, score), margin in best]


def _best_texts(logits: SpanLogits) -> list[tuple[str, float]]:
    """Return text and score of the best span of each example: of equal spans that of the first feature."""
    spans = best_spans(logits)
    order = np.lexsort((-spans.score, logits.feature_example))
    _, first = np.unique(logits.feature_example[order], return_index=True)
    best = order[first]
    best = best[spans.score[best] > -np.inf]
    examples = logits.feature_example[best]
    texts = [("", -np.inf)] * len(logits.example_id)
    columns = (
        examples,
        logits.example_context[examples],
        logits.offsets[spans.start[best], 0],
        logits.offsets[spans.end[best], 1],
        spans.score[best],
    )
    for example, context, begin, end, score in zip(*(column.tolist() for column in columns), strict=True):
        texts[example] = logits.contexts[context][begin:end], score
    return texts


def best_spans(logits: SpanLogits) -> Spans:
    """Return the best span of every feature.

    A span starts at one of the feature's 20 best starts, where this window shows the token with the most context, ends
    at one of its 20 best ends, and has at most 30 tokens. Of equal logits the first counts as better, of equal spans
    the one with the better start, then the better end.
    """
    features = len(logits.first_token) - 1
    spans = Spans(np.full(features, -np.inf, np.float32), np.zeros(features, np.int64), np.zeros(features, np.int64))
    for begin in range(0, features, _FEATURES):
        block = _Block.of(logits, begin)
        left = np.arange(len(block.first_token))
        for decode in (_from_largest, _among_best):
            rows, found = decode(block, left)
            block.put(spans, rows, found)
            left = np.setdiff1d(left, rows)
        for feature in (begin + left).tolist():
            found_one = decode_feature(logits, *logits.first_token[feature : feature + 2].tolist())
            spans.score[feature], spans.start[feature], spans.end[feature] = found_one
    return spans


def decode_feature(logits: SpanLogits, first: int, last: int) -> tuple[float, int, int]:
    """Return score, first and last token of the best span of the feature with these tokens, by the definition."""
    start_logits, end_logits = logits.start_logits[first:last], logits.end_logits[first:last]
    starts = np.argsort(-start_logits, kind="stable")[:N_BEST]
    ends = np.argsort(-end_logits, kind="stable")[:N_BEST]
    lengths = ends[None, :] - starts[:, None] + 1
    may_start = logits.max_context[first:last][starts].astype(bool)
    allowed = (lengths >= 1) & (lengths <= MAX_ANSWER_TOKENS) & may_start[:, None]
    if not allowed.any():
        return -np.inf, 0, 0
    scores = np.where(allowed, start_logits[starts, None] + end_logits[None, ends], -np.inf)
    i, j = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[i, j]), first + int(starts[i]), first + int(ends[j])


@dataclass(frozen=True)
class _Block:
    """Features that follow each other: `start[rows, width]` and `end[rows, width]` are their logits.

    Rows of shorter features are filled up with -inf; `begin` is the first feature, `first_token[rows]` of the file.
    """

    begin: int
    first_token: Integers
    start: Floats
    end: Floats
    may_start: NDArray[np.bool_]

    @classmethod
    def of(cls, logits: SpanLogits, begin: int) -> "_Block":
        """Lay out the features from `begin` on."""
        first_token = logits.first_token[begin : begin + _FEATURES + 1]
        lengths, tokens = np.diff(first_token), slice(int(first_token[0]), int(first_token[-1]))
        shape = len(lengths), max(N_BEST, int(lengths.max()))
        inside = np.arange(shape[1]) < lengths[:, None]
        start, end = np.full(shape, -np.inf, np.float32), np.full(shape, -np.inf, np.float32)
        start[inside], end[inside] = logits.start_logits[tokens], logits.end_logits[tokens]
        may_start = np.zeros(shape, dtype=bool)
        may_start[inside] = logits.max_context[tokens]
        return cls(begin, first_token[:-1], start, end, may_start)

    def put(self, spans: Spans, rows: Integers, found: Spans) -> None:
        """Fill in the spans of some rows, whose tokens count from the first of the row."""
        features = self.begin + rows
        spans.score[features] = found.score
        spans.start[features] = self.first_token[rows] + found.start
        spans.end[features] = self.first_token[rows] + found.end


def _from_largest(block: _Block, rows: Integers) -> tuple[Integers, Spans]:
    """Return the rows where the span from the best start to the best end is allowed, so that no other is better."""
    start, end = block.start[rows].argmax(axis=1), block.end[rows].argmax(axis=1)
    score = block.start[rows, start] + block.end[rows, end]
    allowed = (start <= end) & (end < start + MAX_ANSWER_TOKENS) & block.may_start[rows, start] & np.isfinite(score)
    return rows[allowed], Spans(score[allowed], start[allowed], end[allowed])


def _among_best(block: _Block, rows: Integers) -> tuple[Integers, Spans]:
    """Return rows with the best span between 20 starts and 20 ends, where no order of equal logits or spans matters.

    Such an order matters too where the 20 best are more than 20, and rows of fewer than 20 tokens are not returned.
    """
    is_start, is_end = _are_best(block.start[rows]), _are_best(block.end[rows])
    twenty = np.flatnonzero((is_start.sum(axis=1) == N_BEST) & (is_end.sum(axis=1) == N_BEST))
    rows, each = rows[twenty, None], np.arange(len(twenty))
    start, end = _positions(is_start[twenty]), _positions(is_end[twenty])
    lengths = end[:, None, :] - start[:, :, None] + 1
    allowed = (lengths >= 1) & (lengths <= MAX_ANSWER_TOKENS) & block.may_start[rows, start][:, :, None]
    sums = block.start[rows, start][:, :, None] + block.end[rows, end][:, None, :]
    sums[~allowed] = -np.inf
    flat = sums.reshape(len(each), N_BEST * N_BEST)
    best = flat.argmax(axis=1)
    score = flat[each, best]
    clear = (np.count_nonzero(flat == score[:, None], axis=1) == 1) | np.isneginf(score)
    first, last = start[each, best // N_BEST], end[each, best % N_BEST]
    return rows[clear, 0], Spans(score[clear], first[clear], last[clear])


def _are_best(logits: Floats) -> NDArray[np.bool_]:
    """Say which logits are at least the 20th best of their row; in rows filled up from fewer than 20 none is."""
    least = np.partition(logits, logits.shape[1] - N_BEST, axis=1)[:, -N_BEST, None]
    best: NDArray[np.bool_] = (logits >= least) & (least > -np.inf)
    return best


def _positions(is_best: NDArray[np.bool_]) -> Integers:
    """Return where the 20 are in each row."""
    positions: Integers = np.flatnonzero(is_best).reshape(-1, N_BEST) % is_best.shape[1]
    return positions
