"""Shares of right predictions: of examples, of words, and with the F1 of one label."""

import pytest

from xstilts_hpc.metrics.accuracy import ACCURACY, ACCURACY_AND_F1, TOKEN_ACCURACY


def test_accuracy_is_the_share_of_equal_pairs() -> None:
    assert ACCURACY.compute(["a", "b", "c", "c"], ["a", "b", "c", "a"], "en") == {"accuracy": 0.75}


def test_predictions_without_a_reference_are_an_error() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ACCURACY.compute(["a", "b"], ["a"], "en")


def test_the_f1_beside_accuracy_is_that_of_the_label_1() -> None:
    # Of two predicted duplicates one is right, of three in the gold one is found.
    scores = ACCURACY_AND_F1.compute(["1", "1", "0", "0", "0"], ["1", "0", "1", "1", "0"], "en")
    assert scores == {"accuracy": 0.4, "precision": 0.5, "recall": pytest.approx(1 / 3), "f1": pytest.approx(0.4)}
    assert ACCURACY_AND_F1.headline({"accuracy": 0.9, "f1": 0.7}) == pytest.approx(0.8)


def test_f1_is_zero_where_nothing_is_predicted_as_1() -> None:
    scores = ACCURACY_AND_F1.compute(["0", "0"], ["0", "0"], "en")
    assert scores == {"accuracy": 1.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_token_accuracy_counts_words_not_sentences() -> None:
    predicted, gold = [["N", "N/N", "N"], ["S"]], [["N", "N", "N"], ["N"]]
    assert TOKEN_ACCURACY.compute(predicted, gold, "en") == {"accuracy": 0.5}
