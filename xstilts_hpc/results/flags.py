"""What is wrong with logits whatever their score: not finite, or the same prediction for everything (collapsed).

The rule for `collapsed` is told, with its reason, in docs/results.md.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.logits import Floats, Integers, Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits

# Nearly all: another is predicted for at most one in fifty of the examples on which the commonest gold is wrong, and
# these are a tenth of all at least.
_NEARLY, _SKEWED = 50, 10
# So few questions or queries may agree by chance: their predictions are any of many.
_FEWEST = 20


def flags_of(logits: Logits) -> str:
    """Return `not_finite` where a logit is NaN or infinite, `collapsed` where nearly all predictions are the same."""
    values = [getattr(logits, name) for name in _VALUES.get(type(logits), ("logits",))]
    found = [] if all(bool(np.isfinite(value).all()) for value in values) else ["not_finite"]
    return " ".join([*found, *(["collapsed"] if _COLLAPSED[type(logits)](logits) else [])])


def _labels(logits: SequenceLogits | TokenLogits) -> bool:
    gold = np.asarray(logits.gold)
    # -1 is a tag that the training file lacks: no model predicts it
    return _is_one(logits.logits.argmax(axis=1), lambda: gold[gold >= 0])


def _spans(logits: SpanLogits) -> bool:
    if _flat(logits.start_logits) and _flat(logits.end_logits):
        return True
    if len(logits.example_id) < _FEWEST:
        return False
    place, score, null = _best(logits)
    answered = score > null
    gold = [json.loads(answers) for answers in logits.answers or ()]
    answerable = np.array([bool(answers) for answers in gold])
    if (
        not answerable.all()
        and np.count_nonzero(answered) < len(answered) / 2
        and _is_one(answered, lambda: answerable)
    ):
        return True
    return _is_one(place, lambda: _numbered([str(answers[0]) for answers in gold if answers]))


def _best(logits: SpanLogits) -> tuple[Integers, Floats, Floats]:
    """Return of each example the place of its best start and end in its best window, their score, and that of none."""
    first, length = logits.first_token[:-1], np.diff(logits.first_token)
    filled = np.flatnonzero(length)
    example = logits.feature_example[filled]
    start, start_at = _largest(logits.start_logits, first[filled], length[filled])
    end, end_at = _largest(logits.end_logits, first[filled], length[filled])
    order = np.lexsort((-(start + end), example))
    found, best = np.unique(example[order], return_index=True)
    best = order[best]
    null = np.full(len(logits.example_id), np.inf, np.float32)
    np.minimum.at(null, logits.feature_example, logits.null_logits.sum(axis=1))
    width = int(length.max(initial=1))
    return start_at[best] * width + end_at[best], start[best] + end[best], null[found]


def _largest(values: Floats, first: Integers, length: Integers) -> tuple[Floats, Integers]:
    """Return the largest value of each window, and where in the window it stands first."""
    largest = np.maximum.reduceat(values, first)
    window = np.repeat(np.arange(len(first)), length)
    places = np.flatnonzero(values == largest[window])
    there, index = np.unique(window[places], return_index=True)
    found = np.zeros(len(first), dtype=np.int64)
    found[there] = places[index] - first[there]  # NaN is nowhere
    return largest, found


def _retrieved(logits: RetrievalLogits) -> bool:
    if _flat(logits.scores):
        return True
    return len(logits.query) >= _FEWEST and _is_one(logits.neighbours[:, 0], lambda: np.asarray(logits.gold)[:, 1])


def _flat(values: Floats) -> bool:
    return values.size > 1 and bool(values.min() == values.max())


def _is_one(predicted: NDArray[Any], gold: Callable[[], NDArray[Any]]) -> bool:
    """Say whether predictions are (nearly) all the same where gold is not."""
    others = _not_commonest(predicted)
    if not len(predicted) or others * _NEARLY > len(predicted):
        return False
    wanted = gold()
    others_wanted = _not_commonest(wanted)
    if not others:
        return others_wanted > 0
    return others * _NEARLY <= others_wanted and others_wanted * _SKEWED >= len(wanted)


def _not_commonest(values: NDArray[Any]) -> int:
    return len(values) - int(np.unique(values, return_counts=True)[1].max(initial=0))


def _numbered(texts: list[str]) -> Integers:
    return np.unique(np.array(texts), return_inverse=True)[1]


_VALUES: Mapping[type[Logits], tuple[str, ...]] = {
    SpanLogits: ("start_logits", "end_logits"),
    RetrievalLogits: ("scores", "reverse_scores"),
}
_COLLAPSED: Mapping[type[Logits], Callable[[Any], bool]] = {
    SequenceLogits: _labels,
    TokenLogits: _labels,
    SpanLogits: _spans,
    RetrievalLogits: _retrieved,
}
