"""Logits of every kind made by hand, written to a file."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from xstilts_hpc.logits import Header, Logits, RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits, write_logits


def floats(*values: Any) -> Any:
    return np.array(values, dtype=np.float32)


def integers(*values: Any) -> Any:
    return np.array(values, dtype=np.int64)


SEQUENCE = SequenceLogits(("zh-1", "ภาษา", ""), floats([1, 2, 3], [-1.5, 0, 2], [0, 0, 0]), integers(0, 2, 1))
UNLABELLED = SequenceLogits(("a", "b"), floats([1, 2, 3], [4, 5, 6]))
TOKEN = TokenLogits(("1", "4"), floats([1, 0], [0, 1], [2, 3]), integers(0, 1, 3), integers(0, 1, 1))
NO_WORDS = TokenLogits(("1",), np.zeros((0, 2), np.float32), integers(0, 0), np.zeros(0, np.int64))
SPAN = SpanLogits(
    example_id=("q1", "問"),
    start_logits=floats(1, 2, 3),
    end_logits=floats(3, 2, 1),
    first_token=integers(0, 1, 3, 3),
    offsets=np.array([[0, 2], [2, 4], [4, 5]], dtype=np.int32),
    max_context=np.array([1, 0, 1], dtype=np.uint8),
    null_logits=floats([0, 1], [2, 3], [4, 5]),
    feature_example=integers(0, 1, 1),
    example_context=integers(0, 1),
    contexts=("北京是首都。", "กรุงเทพ 😀\n"),
    answers=('[{"text": "北京", "start": 0}]', "[]"),
)
UNANSWERED = SpanLogits(**{**vars(SPAN), "answers": None})
RETRIEVAL = RetrievalLogits(
    example_id=("en-0", "en-1"),
    candidate_id=("sw-0", "sw-1", "sw-2", "sw-3"),
    query=integers(0, 1),
    candidate=integers(0, 1, 3),
    query_count=integers(1, 1),
    candidate_count=integers(1, 2, 1),
    scores=floats([0.9, 0.1], [0.8, 0.7]),
    neighbours=integers([1, 0], [2, 1]),
    reverse_scores=floats([0.1], [0.9], [0.8]),
    reverse_neighbours=integers([0], [0], [1]),
    gold=integers([0, 1], [1, 3]),
)
# The threshold of these is chosen on other sentences, fewer of them.
WITH_DEV = replace(
    RETRIEVAL,
    gold=None,
    dev=replace(RETRIEVAL, example_id=("en-7", "en-8"), candidate_id=("sw-7",) * 4, gold=integers([1, 0])),
)
KINDS: dict[str, tuple[str, Logits]] = {
    "sequence": ("sequence", SEQUENCE),
    "unlabelled": ("sequence", UNLABELLED),
    "choice": ("choice", SEQUENCE),
    "token": ("token", TOKEN),
    "no words": ("token", NO_WORDS),
    "span": ("span", SPAN),
    "unanswered": ("span", UNANSWERED),
    "retrieval": ("retrieval", RETRIEVAL),
    "retrieval with dev": ("retrieval", WITH_DEV),
}
EVERY_KIND = pytest.mark.parametrize(("kind", "logits"), KINDS.values(), ids=KINDS)


def header(kind: str) -> Header:
    return Header("mnli_full_s0-0123456789", "xnli", kind, "test", "m@1", "0.1.0", "2026-01-01T00:00:00+00:00")


def written(folder: Path, kind: str = "sequence", **languages: Logits) -> Path:
    path = folder / "x.h5"
    write_logits(path, header(kind), {code: (logits, f"digest of {code}") for code, logits in languages.items()})
    return path


def same(first: Any, second: Any) -> bool:
    """Say whether two values agree bit by bit, in the types of their arrays and in the logits within them too."""
    if isinstance(first, np.ndarray):
        forms = [(array.dtype, array.shape, array.tobytes()) for array in (first, second)]
        return forms[0] == forms[1]
    if not isinstance(first, Logits):
        return bool(first == second)
    pairs = [(getattr(first, item.name), getattr(second, item.name)) for item in fields(first)]
    return type(first) is type(second) and all(same(a, b) for a, b in pairs)


def datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    """Yield the datasets of a group and of the groups within it."""
    for value in group.values():
        yield from datasets(value) if isinstance(value, h5py.Group) else [value]
