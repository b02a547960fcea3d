"""Flags of logits: which say the same of everything, and which only look like it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.test_scoring import retrieval_logits
from xstilts_hpc.logits import SequenceLogits, SpanLogits
from xstilts_hpc.results.flags import flags_of

EXAMPLES, TOKENS = 100, 8


def labelled(predicted: Any, gold: Any) -> SequenceLogits:
    """Give logits of three labels that predict these."""
    names = tuple(map(str, range(len(gold))))
    return SequenceLogits(names, np.eye(3, dtype=np.float32)[predicted], np.asarray(gold, dtype=np.int64))


def questions(place: Any, *, null: float = -9.0, unanswerable: int = 0) -> SpanLogits:
    """Give a window of eight tokens for each question, whose best span is the token at its place."""
    number = len(place)
    logits = np.zeros((number, TOKENS), dtype=np.float32)
    logits[np.arange(number), place] = 5
    words = [f'[{{"text": "w{i % TOKENS}", "start": {2 * (i % TOKENS)}}}]' for i in range(number)]
    return SpanLogits(
        example_id=tuple(map(str, range(number))),
        start_logits=logits.ravel(),
        end_logits=logits.ravel(),
        first_token=np.arange(number + 1) * TOKENS,
        offsets=np.tile(np.arange(TOKENS)[:, None] * 2 + np.array([0, 1]), (number, 1)),
        max_context=np.ones(number * TOKENS, dtype=np.int64),
        null_logits=np.full((number, 2), null, dtype=np.float32),
        feature_example=np.arange(number),
        example_context=np.zeros(number, dtype=np.int64),
        contexts=("a b c d e f g h",),
        answers=("[]",) * unanswerable + tuple(words[unanswerable:]),
    )


@pytest.mark.parametrize(
    ("predicted", "gold"),
    [
        ([0] * 999 + [1], [0, 1, 2, 0] * 250),
        ([0] * 99 + [1], [0, 1] * 50),  # one of the 50 that the commonest gold does not fit
        ([0] * 4, [0, 0, 0, 1]),
        ([0] * 1_000, [0] * 990 + [1] * 10),
    ],
)
def test_one_label_for_all_or_nearly_all_is_a_collapse(predicted: list[int], gold: list[int]) -> None:
    assert flags_of(labelled(predicted, gold)) == "collapsed"


@pytest.mark.parametrize(
    ("predicted", "gold"),
    [
        ([0] * 9 + [1], [0, 1] * 5),  # a tiny test set
        ([0] * 98 + [1] * 2, [0, 1] * 50),  # two of 50
        ([0] * 999 + [1], [0] * 920 + [1] * 80),  # a rare label that is seldom found
        ([0] * 100, [0] * 100),  # gold is the same throughout
    ],
)
def test_honest_labels_have_not_collapsed(predicted: list[int], gold: list[int]) -> None:
    assert flags_of(labelled(predicted, gold)) == ""


def test_flat_span_logits_have_collapsed_however_few(span: SpanLogits) -> None:
    zeros = np.zeros_like(span.start_logits)
    assert flags_of(replace(span, start_logits=zeros, end_logits=zeros)) == "collapsed"
    assert flags_of(span) == ""


def test_spans_at_the_same_place_of_every_window_have_collapsed() -> None:
    assert flags_of(questions([3] * EXAMPLES)) == "collapsed"
    assert flags_of(questions([3] * 99 + [4])) == "collapsed"
    assert flags_of(questions([3] * 90 + [4] * 10)) == ""
    assert flags_of(questions([3] * 19)) == ""
    assert flags_of(replace(questions([3] * EXAMPLES), answers=('[{"text": "w3", "start": 6}]',) * EXAMPLES)) == ""


def test_only_the_best_window_of_a_question_counts() -> None:
    one = questions(np.arange(40) % TOKENS)
    empty = np.tile(np.eye(1, TOKENS, dtype=np.float32)[0], 400)  # ten more windows each, best at their first token
    windows = replace(
        one,
        start_logits=np.concatenate([empty, one.start_logits]),
        end_logits=np.concatenate([empty, one.end_logits]),
        first_token=np.arange(441) * TOKENS,
        null_logits=np.full((440, 2), -9, dtype=np.float32),
        feature_example=np.concatenate([np.repeat(np.arange(40), 10), np.arange(40)]),
    )
    assert flags_of(windows) == ""


@pytest.mark.parametrize(("null", "unanswerable", "flags"), [(9, 50, "collapsed"), (9, 0, ""), (-9, 50, "")])
def test_no_answer_to_every_question_is_a_collapse_where_some_have_one(
    null: float, unanswerable: int, flags: str
) -> None:
    found = questions(np.arange(EXAMPLES) % TOKENS, null=null, unanswerable=unanswerable)
    assert flags_of(found) == flags


def test_the_same_sentence_nearest_to_all_queries_is_a_collapse() -> None:
    cosine = np.eye(30, dtype=np.float32)
    hub = cosine.copy()
    hub[:, 7] = 2
    assert flags_of(retrieval_logits(cosine)) == ""
    assert flags_of(retrieval_logits(hub)) == "collapsed"
    assert flags_of(retrieval_logits(hub[:5, :10])) == ""  # of five queries: by chance
    assert flags_of(retrieval_logits(np.ones((5, 5), dtype=np.float32))) == "collapsed"
