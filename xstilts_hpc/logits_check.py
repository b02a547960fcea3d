"""Say what does not fit in the logits of one language: types, shapes, ragged starts, indices, labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits

_FLOATS, _INTEGERS, _TEXTS = "float32", "integers", "texts"
Axes = tuple[str, ...]

# Dataset -> what it holds, and its axes. The axis of starts is one longer than what it cuts: "examples+1"; the same
# word is the same length in all datasets of a group, and a number is that length.
_SEQUENCE: dict[str, tuple[str, Axes]] = {
    "example_id": (_TEXTS, ("examples",)),
    "logits": (_FLOATS, ("examples", "labels")),
    "gold": (_INTEGERS, ("examples",)),
}
_TOKEN: dict[str, tuple[str, Axes]] = {
    "example_id": (_TEXTS, ("examples",)),
    "logits": (_FLOATS, ("words", "labels")),
    "first_word": (_INTEGERS, ("examples+1",)),
    "gold": (_INTEGERS, ("words",)),
}
_SPAN: dict[str, tuple[str, Axes]] = {
    "example_id": (_TEXTS, ("examples",)),
    "start_logits": (_FLOATS, ("tokens",)),
    "end_logits": (_FLOATS, ("tokens",)),
    "first_token": (_INTEGERS, ("features+1",)),
    "offsets": (_INTEGERS, ("tokens", "2")),
    "max_context": (_INTEGERS, ("tokens",)),
    "null_logits": (_FLOATS, ("features", "2")),
    "feature_example": (_INTEGERS, ("features",)),
    "example_context": (_INTEGERS, ("examples",)),
    "contexts": (_TEXTS, ("contexts",)),
    "answers": (_TEXTS, ("examples",)),
}
_RETRIEVAL: dict[str, tuple[str, Axes]] = {
    "example_id": (_TEXTS, ("english",)),
    "candidate_id": (_TEXTS, ("foreign",)),
    "query": (_INTEGERS, ("queries",)),
    "candidate": (_INTEGERS, ("candidates",)),
    "query_count": (_INTEGERS, ("queries",)),
    "candidate_count": (_INTEGERS, ("candidates",)),
    "scores": (_FLOATS, ("queries", "k")),
    "neighbours": (_INTEGERS, ("queries", "k")),
    "reverse_scores": (_FLOATS, ("candidates", "reverse_k")),
    "reverse_neighbours": (_INTEGERS, ("candidates", "reverse_k")),
    "gold": (_INTEGERS, ("pairs", "2")),
}
FORMS: Mapping[type[Logits], Mapping[str, tuple[str, Axes]]] = {
    SequenceLogits: _SEQUENCE,
    TokenLogits: _TOKEN,
    SpanLogits: _SPAN,
    RetrievalLogits: _RETRIEVAL,
}
# Dataset of starts -> the axis it cuts.
_STARTS = {"first_word": "words", "first_token": "tokens"}
# Dataset of indices -> the axis they count along, and the least of them; a tag that training lacks is -1.
_INDICES: Mapping[type[Logits], Mapping[str, tuple[str, int]]] = {
    SequenceLogits: {"gold": ("labels", 0)},
    TokenLogits: {"gold": ("labels", -1)},
    SpanLogits: {"feature_example": ("examples", 0), "example_context": ("contexts", 0)},
    RetrievalLogits: {
        "query": ("english", 0),
        "candidate": ("foreign", 0),
        "neighbours": ("candidates", 0),
        "reverse_neighbours": ("queries", 0),
    },
}


def check_logits(logits: Logits, num_labels: int = 0) -> None:
    """Raise a LogitsError that names the first thing that does not fit; 0 `num_labels` is any number of them.

    A dev split within the logits is not looked at.
    """
    sizes = {"labels": num_labels} if num_labels else {}
    for name, (holds, axes) in FORMS[type(logits)].items():
        value = getattr(logits, name)
        if value is not None:
            _check_type(name, value, holds)
            _check_shape(name, np.shape(value) if holds != _TEXTS else (len(value),), axes, sizes)
    for name, axis in _STARTS.items():
        if hasattr(logits, name):
            check_starts(name, getattr(logits, name), sizes[axis], axis)
    for name, (axis, least) in _INDICES[type(logits)].items():
        if getattr(logits, name) is not None:
            _check_range(name, getattr(logits, name), least, sizes[axis], axis)
    if isinstance(logits, SpanLogits):
        _check_offsets(logits)
    if isinstance(logits, RetrievalLogits):
        _check_pairs(logits)


def check_starts(name: str, starts: NDArray[Any], total: int, axis: str) -> None:
    """Check that starts ascend from 0 to the number of what they cut; equal ones are empty parts."""
    if not len(starts) or starts[0] != 0 or starts[-1] != total:
        found = f"goes from {starts[0]} to {starts[-1]}" if len(starts) else "is empty"
        raise LogitsError(f"{name} {found}, expected 0 to {total}, the number of {axis}")
    # No difference: those of unsigned integers wrap around.
    falling = np.flatnonzero(starts[1:] < starts[:-1])
    if len(falling):
        raise LogitsError(f"{name} does not ascend: {starts[falling[0]]} comes before {starts[falling[0] + 1]}")


def _check_type(name: str, value: Any, holds: str) -> None:
    if holds == _TEXTS:
        fits = isinstance(value, tuple)
    else:
        fits = isinstance(value, np.ndarray) and (
            value.dtype == np.float32 if holds == _FLOATS else value.dtype.kind in "iu"
        )
    if not fits:
        raise LogitsError(f"{name} holds {getattr(value, 'dtype', type(value).__name__)}, expected {holds}")


def _check_shape(name: str, shape: tuple[int, ...], axes: Axes, sizes: dict[str, int]) -> None:
    """Compare a shape with the axes of known length, and note those that are new."""
    fits = len(shape) == len(axes)
    for length, axis in zip(shape, axes, strict=False):
        word, _, more = axis.partition("+")
        expected = int(word) if word.isdecimal() else sizes.setdefault(word, length - int(more or 0))
        fits = fits and length == expected + int(more or 0) and expected >= 0
    if not fits:
        known = [axis if axis.isdecimal() else f"{axis}: {sizes[axis]}" for axis in _words(axes) if axis in sizes]
        raise LogitsError(f"{name} has the shape {shape}, expected [{', '.join(axes)}] with {', '.join(known)}")


def _words(axes: Axes) -> list[str]:
    return [axis.partition("+")[0] for axis in axes]


def _check_range(name: str, indices: NDArray[Any], least: int, end: int, axis: str) -> None:
    if indices.size and not (least <= int(indices.min()) and int(indices.max()) < end):
        raise LogitsError(
            f"{name} holds {int(indices.min())} to {int(indices.max())}, expected indices of {end} {axis}"
        )


def _check_offsets(logits: SpanLogits) -> None:
    """Check that every token begins and ends within the context of its feature."""
    lengths = np.fromiter(map(len, logits.contexts), np.int64, len(logits.contexts))
    of_feature = lengths[logits.example_context[logits.feature_example]]
    first, (start, end) = logits.first_token.astype(np.int64), logits.offsets.T
    wrong = (start < 0) | (start > end) | (end > np.repeat(of_feature, first[1:] - first[:-1]))
    if wrong.any():
        token = int(wrong.argmax())
        raise LogitsError(f"offsets of token {token} are {start[token]} to {end[token]}, which is outside its context")


def _check_pairs(logits: RetrievalLogits) -> None:
    """Check the two columns of gold pairs."""
    if logits.gold is not None:
        _check_range("gold[:, 0]", logits.gold[:, 0], 0, len(logits.example_id), "english")
        _check_range("gold[:, 1]", logits.gold[:, 1], 0, len(logits.candidate_id), "foreign")
