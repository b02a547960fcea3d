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
    first_token = logits.first_token
    features = len(first_token) - 1
    spans = Spans(np.full(features, -np.inf, np.float32), np.zeros(features, np.int64), np.zeros(features, np.int64))
    for begin in range(0, features, _FEATURES):
        for feature in _decode_block(logits, begin, spans).tolist():
            found = decode_feature(logits, int(first_token[feature]), int(first_token[feature + 1]))
            spans.score[feature], spans.start[feature], spans.end[feature] = found
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


def _decode_block(logits: SpanLogits, begin: int, spans: Spans) -> Integers:
    """Fill in the best spans of the features from `begin` on; return those that are left.

    Left are features with fewer than 20 tokens, and those where equal logits or spans make the order matter.
    """
    first_token = logits.first_token[begin : begin + _FEATURES + 1]
    lengths, tokens = np.diff(first_token), slice(int(first_token[0]), int(first_token[-1]))
    starts, ends = _Block.of(logits.start_logits[tokens], lengths), _Block.of(logits.end_logits[tokens], lengths)
    rows = np.flatnonzero(starts.has_twenty & ends.has_twenty)
    start, start_logits = starts.best(rows)
    end, end_logits = ends.best(rows)
    may_start = logits.max_context[first_token[rows, None] + start].astype(bool)
    # As an unsigned number the negative length of a span that ends before it starts is too large as well.
    short = (end[:, None, :] - start[:, :, None]).view(np.uint32) < MAX_ANSWER_TOKENS
    sums = np.where(
        short & may_start[:, :, None], start_logits[:, :, None] + end_logits[:, None, :], np.float32(-np.inf)
    ).reshape(len(rows), N_BEST * N_BEST)
    best = sums.argmax(axis=1)
    score = sums[np.arange(len(rows)), best]
    clear = (np.count_nonzero(sums == score[:, None], axis=1) == 1) | np.isneginf(score)
    chosen = begin + rows
    spans.score[chosen] = score
    spans.start[chosen] = first_token[rows] + start[np.arange(len(rows)), best // N_BEST]
    spans.end[chosen] = first_token[rows] + end[np.arange(len(rows)), best % N_BEST]
    return np.setdiff1d(np.arange(begin, begin + len(lengths)), chosen[clear], assume_unique=True)


@dataclass(frozen=True)
class _Block:
    """Logits of several features in rows of equal width, and which of them are at least the 20th best of their row."""

    logits: Floats
    among_best: NDArray[np.bool_]

    @classmethod
    def of(cls, values: Floats, lengths: Integers) -> "_Block":
        """Lay out the logits of features that follow each other; short rows are filled up with -inf."""
        width = max(N_BEST, int(lengths.max()))
        logits = np.full((len(lengths), width), -np.inf, dtype=np.float32)
        logits[np.arange(width) < lengths[:, None]] = values
        least = np.partition(logits, width - N_BEST, axis=1)[:, width - N_BEST]
        # In a row of fewer than 20 the 20th best is filling: such a row has none.
        return cls(logits, logits >= np.where(np.isneginf(least), np.inf, least)[:, None])

    @property
    def has_twenty(self) -> NDArray[np.bool_]:
        """Say in which rows exactly 20 are the best, so that no order of equal logits matters."""
        twenty: NDArray[np.bool_] = self.among_best.sum(axis=1) == N_BEST
        return twenty

    def best(self, rows: Integers) -> tuple[NDArray[np.int32], Floats]:
        """Return position and logit of the 20 best of some rows, in the order of the text."""
        chosen = self.among_best[rows]
        positions = np.flatnonzero(chosen) % chosen.shape[1]
        return positions.astype(np.int32).reshape(-1, N_BEST), self.logits[rows][chosen].reshape(-1, N_BEST)
