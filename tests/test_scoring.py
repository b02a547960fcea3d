"""From logits to predictions and scores, with every expected value worked out by hand."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.metrics.accuracy import TOKEN_ACCURACY
from xstilts_hpc.metrics.bitext import BITEXT_F1
from xstilts_hpc.metrics.squad_v2 import SQUAD_V2, NullableAnswer
from xstilts_hpc.scoring import predictions, references, score
from xstilts_hpc.scoring.pairs import threshold
from xstilts_hpc.scoring.spans import best_spans, decode_feature
from xstilts_hpc.tasks import TASKS

MINING = replace(TASKS["tatoeba"], mining=True, metric=BITEXT_F1)
UNANSWERABLE = replace(TASKS["xquad"], unanswerable=True, metric=SQUAD_V2)


def floats(*values: Any) -> Any:
    return np.array(values, dtype=np.float32)


def integers(*values: Any) -> Any:
    return np.array(values, dtype=np.int64)


def span_logits(context: str, *features: tuple[list[float], list[float]], **changes: Any) -> SpanLogits:
    """Return the logits of one question on a context whose tokens are its characters, all in every feature."""
    tokens = len(context)
    values: dict[str, Any] = {
        "example_id": ("q",),
        "start_logits": floats(*(x for start, _ in features for x in start)),
        "end_logits": floats(*(x for _, end in features for x in end)),
        "first_token": integers(*range(0, tokens * len(features) + 1, tokens)),
        "offsets": np.tile(integers(*([i, i + 1] for i in range(tokens))), (len(features), 1)),
        "max_context": np.ones(tokens * len(features), np.int64),
        "null_logits": np.zeros((len(features), 2), np.float32),
        "feature_example": np.zeros(len(features), np.int64),
        "example_context": integers(0),
        "contexts": (context,),
        "answers": ("[]",),
    }
    return SpanLogits(**{**values, **changes})


def peak(tokens: int, *at: tuple[int, float]) -> list[float]:
    """Return logits that are 0 but at some tokens."""
    logits = [0.0] * tokens
    for token, value in at:
        logits[token] = value
    return logits


def answer(logits: SpanLogits) -> str:
    (text,) = predictions(TASKS["xquad"], logits)
    return str(text)


def test_a_sequence_is_the_label_of_its_largest_logit() -> None:
    logits = SequenceLogits(("1", "2", "3"), floats([2, 1, 0], [0, 1, 2], [-1, -3, -2]), integers(0, 1, 0))
    assert predictions(TASKS["xnli"], logits) == ["contradiction", "neutral", "contradiction"]
    assert references(TASKS["xnli"], logits) == ["contradiction", "entailment", "contradiction"]
    assert score(TASKS["xnli"], logits, "en") == {"accuracy": pytest.approx(2 / 3)}


def test_a_choice_is_the_index_of_its_largest_logit() -> None:
    logits = SequenceLogits(("1", "2"), floats([0, 0, 0, 1], [1, 0, 0, 0]), integers(3, 2))
    assert predictions(TASKS["hellaswag"], logits) == ["3", "0"]
    assert score(TASKS["hellaswag"], logits, "en") == {"accuracy": 0.5}


def test_words_are_cut_into_their_sentences() -> None:
    # labels: B-LOC B-ORG B-PER I-LOC I-ORG I-PER O
    chosen = [2, 6, 0, 3, 6]
    logits = TokenLogits(("1", "3"), np.eye(7, dtype=np.float32)[chosen], integers(0, 2, 5), integers(2, 6, 0, 6, 6))
    assert predictions(TASKS["panx"], logits) == [["B-PER", "O"], ["B-LOC", "I-LOC", "O"]]
    assert references(TASKS["panx"], logits) == [["B-PER", "O"], ["B-LOC", "O", "O"]]
    # Of two entities predicted and two in the gold one agrees: LOC ends a word late.
    assert score(TASKS["panx"], logits, "en") == {"f1": 0.5, "precision": 0.5, "recall": 0.5}


def test_a_tag_that_training_lacks_is_always_wrong() -> None:
    task = replace(TASKS["panx"], labels=("N", "NP"), metric=TOKEN_ACCURACY)
    logits = TokenLogits(("1",), floats([1, 0], [0, 1], [0, 1]), integers(0, 3), integers(0, -1, 1))
    assert references(task, logits) == [["N", "", "NP"]]
    assert score(task, logits, "en") == {"accuracy": pytest.approx(2 / 3)}


def test_logits_of_other_labels_are_an_error() -> None:
    logits = TokenLogits(("1",), floats([1, 0]), integers(0, 1), integers(0))
    with pytest.raises(LogitsError, match="PAN-X: the logits have 2 columns, expected 7 labels"):
        predictions(TASKS["panx"], logits)


def test_a_set_without_words_scores_zero() -> None:
    logits = TokenLogits(("1",), np.zeros((0, 7), np.float32), integers(0, 0), np.zeros(0, np.int64))
    assert predictions(TASKS["panx"], logits) == [[]]
    assert score(TASKS["panx"], logits, "en")["f1"] == 0.0


@pytest.mark.parametrize(
    ("context", "start", "end", "expected"),
    [("北京是中国的首都。", 3, 4, "中国"), ("กรุงเทพเป็นเมือง", 0, 6, "กรุงเทพ"), ("the Ann sat", 4, 6, "Ann")],
)
def test_an_answer_is_cut_out_of_the_context(context: str, start: int, end: int, expected: str) -> None:
    tokens = len(context)
    logits = span_logits(context, (peak(tokens, (start, 5)), peak(tokens, (end, 5))))
    assert answer(logits) == expected


def test_an_answer_never_ends_before_it_starts() -> None:
    # The largest logits are start 3 and end 1; of the rest start 3 with end 3 is best (4 + 2 = 6).
    logits = span_logits("abcde", ([0, 1, 0, 4, 0], [0, 9, 0, 2, 1]), max_context=integers(0, 0, 0, 1, 1))
    assert answer(logits) == "d"


@pytest.mark.parametrize(("end", "expected"), [(29, "x" * 30), (30, "x")])
def test_an_answer_has_at_most_thirty_tokens(end: int, expected: str) -> None:
    logits = span_logits("x" * 40, (peak(40, (0, 9)), peak(40, (end, 9), (0, 1))))
    assert answer(logits) == expected


def test_only_the_twenty_best_starts_and_ends_are_combined() -> None:
    # Start 0 is the 21st best start, so it is no start though its sum with end 0 would be largest.
    starts = [0.0, *[1.0] * 20]
    logits = span_logits("abcdefghijklmnopqrstu", (starts, peak(21, (0, 9), (20, 2))))
    assert answer(logits) == "bcdefghijklmnopqrstu"


def test_an_answer_starts_where_its_window_shows_the_most_context() -> None:
    first = (peak(4, (1, 9)), peak(4, (1, 9)))
    second = (peak(4, (2, 1)), peak(4, (2, 1)))
    logits = span_logits("abcd", first, second, max_context=integers(1, 0, 0, 0, 0, 1, 1, 1))
    # In the first window only token 0 may start (0 + 9 with end 1); start 1 there (18) is left to the second.
    assert answer(logits) == "ab"


def test_the_best_of_several_windows_wins() -> None:
    windows = [(peak(4, (i, value)), peak(4, (i, value))) for i, value in [(0, 2), (1, 3), (2, 1)]]
    assert answer(span_logits("abcd", *windows)) == "b"


def test_no_answer_is_compared_with_the_best_span() -> None:
    # Two windows: the null score is the smaller of 1 + 1 and 0.5 + 2, the best span scores 3 + 2.
    logits = span_logits(
        "xy", ([3, 0], [2, 0]), ([0, 1], [0, 1]), null_logits=floats([1, 1], [0.5, 2]), answers=("[]",)
    )
    assert predictions(UNANSWERABLE, logits) == [NullableAnswer("x", 2.0 - 5.0)]
    # Best is no answer at all; at threshold 0 the question is answered, and wrongly.
    expected = {"exact_match": 1.0, "f1": 1.0, "exact_match_at_zero": 0.0, "f1_at_zero": 0.0}
    assert score(UNANSWERABLE, logits, "en") == expected


def test_no_answer_is_certain_where_no_span_is_allowed() -> None:
    logits = span_logits("xy", ([1, 2], [1, 2]), max_context=integers(0, 0))
    assert predictions(UNANSWERABLE, logits) == [NullableAnswer("", np.inf)]


def test_each_question_has_its_own_windows_and_context() -> None:
    logits = span_logits(
        "北京",
        (peak(2, (0, 3)), peak(2, (0, 3))),
        (peak(2, (1, 3)), peak(2, (1, 3))),
        example_id=("q1", "q2"),
        feature_example=integers(1, 0),
        example_context=integers(1, 0),
        contexts=("北京", "กข"),
        answers=('[{"text": "ข", "start": 1}]', '[{"text": "北京", "start": 0}, {"text": "北", "start": 0}]'),
    )
    assert predictions(TASKS["xquad"], logits) == ["ข", "北"]
    assert references(TASKS["xquad"], logits) == [["ข"], ["北京", "北"]]
    assert score(TASKS["xquad"], logits, "en") == {"exact_match": 1.0, "f1": 1.0}


def test_a_question_without_an_allowed_span_has_no_answer() -> None:
    logits = span_logits("xy", ([1, 2], [1, 2]), max_context=integers(0, 0), answers=('[{"text": "x", "start": 0}]',))
    assert answer(logits) == ""
    assert score(TASKS["xquad"], logits, "en") == {"exact_match": 0.0, "f1": 0.0}


def retrieval_logits(cosine: Any, **changes: Any) -> RetrievalLogits:
    """Return two neighbours each way of pools with these cosines[english, foreign]; gold is (0, 0), (1, 1)..."""
    (scores, neighbours), (reverse_scores, reverse_neighbours) = nearest(cosine), nearest(cosine.T)
    english, foreign = cosine.shape
    values: dict[str, Any] = {
        "example_id": tuple(f"en-{i}" for i in range(english)),
        "candidate_id": tuple(f"de-{i}" for i in range(foreign)),
        "query": np.arange(english),
        "candidate": np.arange(foreign),
        "query_count": np.ones(english, np.int64),
        "candidate_count": np.ones(foreign, np.int64),
        "scores": scores,
        "neighbours": neighbours,
        "reverse_scores": reverse_scores,
        "reverse_neighbours": reverse_neighbours,
        "gold": np.tile(np.arange(min(english, foreign))[:, None], 2),
    }
    return RetrievalLogits(**{**values, **changes})


def nearest(cosine: Any) -> tuple[Any, Any]:
    index = np.argsort(-cosine, axis=1, kind="stable")[:, :2]
    return np.take_along_axis(cosine, index, 1), index


# By margin: (0, 0) 0.9 over the mean of 0.5 and 0.5 = 1.8, (1, 1) 0.6 / 0.35 = 1.71, (2, 2) 0.3 / 0.2 = 1.5.
COSINE = floats([0.9, 0.1, 0.0], [0.1, 0.6, 0.1], [0.0, 0.1, 0.3])


def test_a_query_finds_its_nearest_candidate() -> None:
    logits = retrieval_logits(floats([0.1, 0.9], [0.7, 0.8]))
    assert predictions(TASKS["tatoeba"], logits) == [1, 1]
    assert references(TASKS["tatoeba"], logits) == [0, 1]
    assert score(TASKS["tatoeba"], logits, "sw") == {"accuracy": 0.5}


def test_queries_and_candidates_are_named_by_their_pools() -> None:
    # Sentence 0 of each pool was not searched; gold: English 1 is foreign 2, English 2 is foreign 1.
    names = {"example_id": ("e0", "e1", "e2"), "candidate_id": ("f0", "f1", "f2"), "gold": integers([1, 2], [2, 1])}
    logits = retrieval_logits(floats([0.1, 0.9], [0.7, 0.8]), query=integers(1, 2), candidate=integers(1, 2), **names)
    assert predictions(TASKS["tatoeba"], logits) == [2, 2]
    assert references(TASKS["tatoeba"], logits) == [2, 1]


def test_a_query_without_a_right_candidate_is_an_error() -> None:
    logits = retrieval_logits(floats([0.1, 0.9], [0.7, 0.8]), gold=integers([0, 1]))
    with pytest.raises(LogitsError, match=r"Tatoeba: 1 queries have no right candidate \(the first is 'en-1'\)"):
        references(TASKS["tatoeba"], logits)


def test_mined_pairs_are_taken_down_to_the_best_threshold_on_the_same_sentences() -> None:
    logits = retrieval_logits(COSINE, gold=integers([0, 0], [1, 1]))
    assert predictions(MINING, logits) == [("de-0", "en-0"), ("de-1", "en-1")]
    assert references(MINING, logits) == [("de-0", "en-0"), ("de-1", "en-1")]
    assert score(MINING, logits, "de") == {"f1": 1.0, "precision": 1.0, "recall": 1.0}


def test_the_threshold_comes_from_dev_where_there_is_one() -> None:
    # On dev only the pair of 1.8 is right: the threshold is (1.8 + 1.71) / 2, and so takes one pair of the test split.
    dev = retrieval_logits(COSINE, gold=integers([0, 0]))
    logits = retrieval_logits(COSINE, dev=dev)
    assert threshold(MINING, dev) == pytest.approx((0.9 / 0.5 + 0.6 / 0.35) / 2)
    assert predictions(MINING, logits) == [("de-0", "en-0")]
    assert score(MINING, logits, "de") == {"f1": 0.5, "precision": 1.0, "recall": pytest.approx(1 / 3)}


@pytest.mark.parametrize("side", ["query_count", "candidate_count"])
def test_a_sentence_that_occurs_twice_gives_no_pair(side: str) -> None:
    logits = retrieval_logits(COSINE, **{side: integers(1, 2, 1)})
    assert predictions(MINING, logits) == [("de-0", "en-0"), ("de-2", "en-2")]


def test_without_gold_pairs_no_threshold_can_be_chosen() -> None:
    with pytest.raises(LogitsError, match="Tatoeba: the logits hold no gold pairs, so no threshold can be chosen"):
        predictions(MINING, retrieval_logits(COSINE, gold=None))
    unlabelled = retrieval_logits(COSINE, gold=None, dev=retrieval_logits(COSINE))
    assert len(predictions(MINING, unlabelled)) == 3
    with pytest.raises(LogitsError, match="Tatoeba: the logits hold no labels, so they cannot be scored"):
        score(MINING, unlabelled, "de")


@given(st.integers(0, 10_000), st.sampled_from([1, 15, 20, 24, 60]), st.sampled_from([1, 4, 1000]))
def test_features_decoded_at_once_are_those_of_the_definition(seed: int, longest: int, steps: int) -> None:
    # Few steps make equal logits and equal sums common; features of fewer than 20 tokens lie between longer ones.
    random = np.random.default_rng(seed)
    first_token = np.cumsum([0, *random.integers(0, longest + 1, 30)])
    tokens = int(first_token[-1])
    logits = span_logits(
        "x",
        start_logits=np.round(random.normal(size=tokens) * steps).astype(np.float32) / steps,
        end_logits=np.round(random.normal(size=tokens) * steps).astype(np.float32) / steps,
        first_token=first_token,
        max_context=random.integers(0, 4, tokens) > 0,
    )
    spans = best_spans(logits)
    for i, bounds in enumerate(pairwise(first_token.tolist())):
        assert (spans.score[i], spans.start[i], spans.end[i]) == decode_feature(logits, *bounds)


@pytest.mark.parametrize(
    ("name", "logits", "message"),
    [
        ("xnli", SequenceLogits(("1",), floats([1, 2, 3])), "XNLI: the logits hold no labels"),
        ("panx", TokenLogits(("1",), floats([0] * 7), integers(0, 1)), "PAN-X: the logits hold no labels"),
        ("xquad", span_logits("a", ([0], [0]), answers=None), "XQuAD: the logits hold no answers"),
    ],
)
def test_what_has_no_gold_is_predicted_but_not_scored(name: str, logits: Any, message: str) -> None:
    assert len(predictions(TASKS[name], logits)) == 1
    with pytest.raises(LogitsError, match=message):
        score(TASKS[name], logits, "en")
