"""From logits to predictions and scores, with every expected value worked out by hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xstilts_hpc.errors import LogitsError
from xstilts_hpc.logits import RetrievalLogits, SequenceLogits, SpanLogits, TokenLogits
from xstilts_hpc.metrics.accuracy import accuracy
from xstilts_hpc.scoring import predictions, references, score
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.train.retrieval import nearest_neighbours


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
    assert score(TASKS["xnli"], logits) == {"accuracy": pytest.approx(2 / 3)}


def test_a_choice_is_the_index_of_its_largest_logit() -> None:
    logits = SequenceLogits(("1", "2"), floats([0, 0, 0, 1], [1, 0, 0, 0]), integers(3, 2))
    assert predictions(TASKS["hellaswag"], logits) == ["3", "0"]
    assert score(TASKS["hellaswag"], logits) == {"accuracy": 0.5}


def test_words_are_cut_into_their_sentences() -> None:
    # labels: B-LOC B-ORG B-PER I-LOC I-ORG I-PER O
    chosen = [2, 6, 0, 3, 6]
    logits = TokenLogits(("1", "3"), np.eye(7, dtype=np.float32)[chosen], integers(0, 2, 5), integers(2, 6, 0, 6, 6))
    assert predictions(TASKS["panx"], logits) == [["B-PER", "O"], ["B-LOC", "I-LOC", "O"]]
    assert references(TASKS["panx"], logits) == [["B-PER", "O"], ["B-LOC", "O", "O"]]
    # Of two entities predicted and two in the gold one agrees: LOC ends a word late.
    assert score(TASKS["panx"], logits) == {"f1": 0.5, "precision": 0.5, "recall": 0.5}


def test_a_set_without_words_scores_zero() -> None:
    logits = TokenLogits(("1",), np.zeros((0, 7), np.float32), integers(0, 0), np.zeros(0, np.int64))
    assert predictions(TASKS["panx"], logits) == [[]]
    assert score(TASKS["panx"], logits)["f1"] == 0.0


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
    assert score(TASKS["xquad"], logits) == {"exact_match": 1.0, "f1": 1.0}


def test_a_question_without_an_allowed_span_has_no_answer() -> None:
    logits = span_logits("xy", ([1, 2], [1, 2]), max_context=integers(0, 0), answers=('[{"text": "x", "start": 0}]',))
    assert answer(logits) == ""
    assert score(TASKS["xquad"], logits) == {"exact_match": 0.0, "f1": 0.0}


def test_a_query_finds_its_first_neighbour() -> None:
    logits = RetrievalLogits(
        ("en-0", "en-1"),
        ("sw-0", "sw-1"),
        floats([0.9, 0.1], [0.8, 0.7]),
        integers([1, 0], [1, 0]),
        floats([0.1], [0.9]),
        integers([0], [1]),
        integers(0, 1),
    )
    assert predictions(TASKS["tatoeba"], logits) == [1, 1]
    assert score(TASKS["tatoeba"], logits) == {"accuracy": 0.5}


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
        score(TASKS[name], logits)


@pytest.mark.shared
def test_nearest_neighbours_are_those_of_the_official_code(shared: Path) -> None:
    with gzip.open(shared / "oracle" / "tatoeba.jsonl.gz", "rt", encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    assert len(cases) == 4
    for case in cases:
        _, neighbours = nearest_neighbours(torch.tensor(case["y"]), torch.tensor(case["x"]), 1)
        assert neighbours[:, 0].tolist() == case["predictions"]
        found = accuracy(case["predictions"], list(range(len(case["y"]))))
        assert 100 * found["accuracy"] == pytest.approx(case["scores"]["accuracy"])


def test_neighbours_are_ordered_by_cosine_whatever_the_block_and_ties_go_to_the_first() -> None:
    candidates = torch.zeros(9000, 2)
    candidates[:, 1] = 1.0
    candidates[[10, 8500]] = torch.tensor([5.0, 0.0])
    candidates[4200] = torch.tensor([1.0, 1.0])
    scores, neighbours = nearest_neighbours(torch.tensor([[2.0, 0.0]]), candidates, 4)
    assert neighbours.tolist() == [[10, 8500, 4200, 0]]
    assert scores[0].tolist() == pytest.approx([1.0, 1.0, 0.5**0.5, 0.0])


def test_fewer_candidates_than_asked_are_all_neighbours() -> None:
    scores, neighbours = nearest_neighbours(torch.tensor([[1.0, 0.0]]), torch.eye(2), 4)
    assert neighbours.tolist() == [[0, 1]]
    assert scores.tolist() == [[1.0, 0.0]]
