"""Scores of answers: normalisation by script and language, several answers, none, and questions without one."""

import math

import pytest

from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.metrics.mlqa import MLQA_EM_F1
from xstilts_hpc.metrics.squad import SQUAD, normalise
from xstilts_hpc.metrics.squad_v2 import SQUAD_V2, NullableAnswer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat, an animal!", "cat animal"),
        ("mother-in-law's", "motherinlaws"),
        # Only ASCII punctuation is deleted, and an article next to other punctuation is still a word of its own.
        ("«a» b", "« » b"),
        ("the", ""),
    ],
)
def test_squad_normalises_case_ascii_punctuation_and_english_articles(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_squad_takes_the_best_of_several_answers() -> None:
    assert SQUAD.compute(["the red cat"], [["dog", "red cat", "cat"]], "en") == {"exact_match": 1.0, "f1": 1.0}
    assert SQUAD.headline({"exact_match": 0.5, "f1": 0.7}) == pytest.approx(0.6)


def test_squad_counts_repeated_words_as_often_as_both_have_them() -> None:
    # Common: "to" twice and "be" once of 4 predicted and 3 gold words.
    scores = SQUAD.compute(["to to to be"], [["to be to"]], "en")
    assert scores == {"exact_match": 0.0, "f1": pytest.approx(2 * (3 / 4) * (3 / 3) / (3 / 4 + 3 / 3))}


def test_texts_without_a_word_match_but_have_no_f1() -> None:
    assert SQUAD.compute(["..."], [["the"]], "en") == {"exact_match": 1.0, "f1": 0.0}


@pytest.mark.parametrize("metric", [SQUAD, MLQA_EM_F1])
def test_a_question_without_a_prediction_scores_zero(metric: Metric) -> None:
    assert metric.compute(["a cat", None], [["cat"], ["dog"]], "en") == {"exact_match": 0.5, "f1": 0.5}


@pytest.mark.parametrize(
    ("language", "prediction", "answer", "f1"),
    [
        ("en", "the «cat»", "cat", 1.0),
        ("es", "La casa", "casa", 1.0),
        ("de", "Einer der Hunde", "Hunde", 1.0),
        ("vi", "những con mèo", "con mèo", 1.0),
        # An article of another language is a word: 1 of 2 predicted words is right.
        ("de", "la casa", "casa", 2 / 3),
        ("hi", "एक घर।", "एक घर", 1.0),
        # Each Han character is a word, a run of other characters is one: 2 of 3 and 2 of 2.
        ("zh", "2008年奥", "2008年", 2 * (2 / 3) / (2 / 3 + 1)),
        # The Arabic article goes within a word too, and cuts it in two.
        ("ar", "الكتاب", "كتاب", 1.0),
        ("ar", "بالكتاب", "ب كتاب", 1.0),
    ],
)
def test_mlqa_normalises_by_language(language: str, prediction: str, answer: str, f1: float) -> None:
    scores = MLQA_EM_F1.compute([prediction], [[answer]], language)
    assert scores == {"exact_match": float(f1 == 1.0), "f1": pytest.approx(f1)}


def test_a_question_may_be_answered_or_not() -> None:
    # Answered where the margin is at most the threshold. Best at -1: the first is right, the second has no answer.
    predictions = [NullableAnswer("cat", -2.0), NullableAnswer("dog", -0.5), NullableAnswer("red cat", 3.0)]
    scores = SQUAD_V2.compute(predictions, [["cat"], [], ["cat"]], "en")
    assert scores == {
        "exact_match": pytest.approx(2 / 3),
        # At threshold 3: 1 for the first, 0 for the second, 2/3 for the third; at -1: 1, 1 and 0.
        "f1": pytest.approx(2 / 3),
        "exact_match_at_zero": pytest.approx(1 / 3),
        "f1_at_zero": pytest.approx(1 / 3),
    }


def test_each_part_has_its_own_best_threshold() -> None:
    predictions = [NullableAnswer("red cat", -1.0), NullableAnswer("big dog", -1.0), NullableAnswer("x", -2.0)]
    scores = SQUAD_V2.compute(predictions, [["cat"], ["dog"], []], "en")
    # Exact match is best with no answer at all (1 of 3), F1 with all of them (2/3 + 2/3).
    assert scores["exact_match"] == pytest.approx(1 / 3)
    assert scores["f1"] == pytest.approx((2 / 3 + 2 / 3) / 3)


def test_a_span_as_good_as_no_answer_is_answered_at_zero() -> None:
    scores = SQUAD_V2.compute([NullableAnswer("cat", 0.0), NullableAnswer("dog", 1e-9)], [["cat"], ["dog"]], "en")
    assert (scores["exact_match_at_zero"], scores["f1_at_zero"]) == (0.5, 0.5)


def test_of_equal_margins_the_first_is_answered_first() -> None:
    # The official script sweeps question by question, so it may part questions that no threshold can part.
    predictions = [NullableAnswer("cat", 1.0), NullableAnswer("dog", 1.0)]
    assert SQUAD_V2.compute(predictions, [["cat"], []], "en")["exact_match"] == 1.0
    assert SQUAD_V2.compute(predictions[::-1], [[], ["cat"]], "en")["exact_match"] == 0.5


def test_a_text_normalised_to_nothing_is_right_where_there_is_no_answer() -> None:
    predictions = [NullableAnswer("the", -1.0), NullableAnswer("", math.inf)]
    assert set(SQUAD_V2.compute(predictions, [[], []], "en").values()) == {1.0}
    assert SQUAD_V2.compute(predictions[:1], [["cat"]], "en")["f1"] == 0.0
