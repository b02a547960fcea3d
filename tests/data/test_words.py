"""Sentences of words: every word keeps its place and has one prediction."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.encoding import CLS, SEP, SPACE, UNKNOWN, A, B, C, D, encode, read, rows
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.examples import TokenExample
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split


def test_every_word_has_the_position_of_its_first_piece(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "panx", TokenExample("1", ("ab", "c"), ("B-PER", "O")))
    assert rows(encoded, "input_ids") == [[CLS, SPACE, A, B, SPACE, C, SEP]]
    assert rows(encoded, "word_position") == [[1, 4]]
    assert rows(encoded, "gold") == [[2, 6]]


def test_a_long_sentence_is_cut_between_words_and_loses_none(tiny: Any, tmp_path: Path) -> None:
    sentence = TokenExample("1", ("ab", "ab", "c", "abc"), ("O", "B-PER", "I-PER", "B-LOC"))
    encoded = encode(tiny, tmp_path, "panx", sentence, TokenExample("2", ("d",), ("O",)), max_length=8)
    assert rows(encoded, "input_ids") == [
        [CLS, SPACE, A, B, SPACE, A, B, SEP],
        [CLS, SPACE, C, SPACE, A, B, C, SEP],
        [CLS, SPACE, D, SEP],
    ]
    assert rows(encoded, "gold") == [[6, 2], [5, 0], [6]]
    assert encoded.flat("example").tolist() == [0, 0, 1]


def test_a_word_that_does_not_fit_is_unknown(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "panx", TokenExample("1", ("a", "abcabc", "b"), None), max_length=8)
    assert rows(encoded, "input_ids") == [[CLS, SPACE, A, UNKNOWN, SPACE, B, SEP]]
    assert rows(encoded, "word_position") == [[1, 3, 4]]
    assert rows(encoded, "gold") == [[]]


def test_a_sentence_without_words_is_a_row_without_predictions(tiny: Any, tmp_path: Path) -> None:
    examples = [TokenExample("1", (), ()), TokenExample("2", ("a",), ("O",)), TokenExample("3", (), None)]
    encoded = encode(tiny, tmp_path, "panx", *examples)
    assert rows(encoded, "input_ids") == [[CLS, SEP], [CLS, SPACE, A, SEP], [CLS, SEP]]
    assert rows(encoded, "word_position") == [[], [1], []]
    assert rows(encoded, "gold") == [[], [6], []]


def test_a_tag_that_training_does_not_have_is_no_class(tiny: Any, tmp_path: Path) -> None:
    task = replace(TASKS["panx"], labels=("N", "S[dcl]"))
    sentence = TokenExample("1", ("a", "b", "c"), ("S[dcl]", "S[qem]", "N"))
    encoded = Encoder(tiny, Recipe(), tmp_path).encode(task, [sentence], "digest")
    assert rows(encoded, "gold") == [[1, -1, 0]]


@pytest.mark.shared
def test_words_without_pieces_become_unknown(real: Any, tmp_path: Path) -> None:
    words = ("\u200b", "Hello", "\ufeff", "\u200b\ufeff")
    encoded = encode(real, tmp_path, "panx", TokenExample("1", words, None))
    assert rows(encoded, "word_position") == [[1, 2, 3, 4]]
    assert rows(encoded, "input_ids") == [[0, 3, 35378, 3, 3, 2]]


@pytest.mark.shared
@pytest.mark.parametrize("language", ["fa", "ja", "ml"])
def test_every_real_word_is_there_once_and_in_order(
    real: Any, shared_data: Path, tmp_path: Path, language: str
) -> None:
    examples = read(shared_data, tmp_path, "panx", Split.DEV, language)
    encoded = encode(real, tmp_path, "panx", *examples, max_length=32)
    gold, example = encoded.ragged("gold"), encoded.flat("example")
    labels = TASKS["panx"].labels
    for i, sentence in enumerate(examples):
        assert [labels[g] for row in (example == i).nonzero()[0] for g in gold[row]] == list(sentence.tags)
    assert encoded.ragged("word_position").lengths().tolist() == gold.lengths().tolist()
    assert encoded.ragged("input_ids").lengths().max() <= 32
    assert encoded.items > len(examples)
