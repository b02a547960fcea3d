"""From examples to token ids: with pieces of single characters, and with XLM-R's own; and the cache of encoded sets."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.encoding import CLS, SEP, SPACE, A, B, C, D, X, Y, encode, rows
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.examples import (
    ChoiceExample,
    Kind,
    RetrievalExample,
    SequenceExample,
    TextExample,
)
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS

TOP = Path(__file__).resolve().parent.parent.parent


def test_a_pair_is_two_texts_between_special_tokens(tiny: Any, tmp_path: Path) -> None:
    examples = [SequenceExample("1", "a b", "c", "neutral"), SequenceExample("2", "d", "a", "contradiction")]
    encoded = encode(tiny, tmp_path, "xnli", *examples)
    assert rows(encoded, "input_ids") == [
        [CLS, SPACE, A, SPACE, B, SEP, SEP, SPACE, C, SEP],
        [CLS, SPACE, D, SEP, SEP, SPACE, A, SEP],
    ]
    assert rows(encoded, "gold") == [[2], [0]]
    assert (encoded.flat("example").tolist(), encoded.items) == ([0, 1], 2)


def test_a_pair_is_the_same_as_the_tokenizers_own(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "xnli", SequenceExample("1", "a cat sat", "no cat", "neutral"))
    assert rows(encoded, "input_ids") == [tiny("a cat sat", "no cat")["input_ids"]]


@pytest.mark.parametrize(
    ("first", "second", "max_length", "expected"),
    [
        ("abcd", "xy", 12, [CLS, SPACE, A, B, C, D, SEP, SEP, SPACE, X, Y, SEP]),
        ("abcd", "xy", 10, [CLS, SPACE, A, B, SEP, SEP, SPACE, X, Y, SEP]),
        ("abcd", "xy", 9, [CLS, SPACE, A, B, SEP, SEP, SPACE, X, SEP]),
        ("xy", "abcd", 9, [CLS, SPACE, X, Y, SEP, SEP, SPACE, A, SEP]),
        ("abcd", "", 7, [CLS, SPACE, A, B, SEP, SEP, SEP]),
        ("abcd", "xy", 4, [CLS, SEP, SEP, SEP]),
    ],
)
def test_a_long_pair_loses_the_end_of_the_longer_text_token_by_token(
    tiny: Any, tmp_path: Path, first: str, second: str, max_length: int, expected: list[int]
) -> None:
    encoded = encode(tiny, tmp_path, "xnli", SequenceExample("1", first, second, None), max_length=max_length)
    assert rows(encoded, "input_ids") == [expected]


def test_a_long_choice_loses_the_beginning_of_both_texts(tiny: Any, tmp_path: Path) -> None:
    example = ChoiceExample("1", "abcd", ("xy", "", "abcxy", "y"), None)
    assert rows(encode(tiny, tmp_path, "hellaswag", example, max_length=9), "input_ids") == [
        [CLS, B, C, D, SEP, SEP, X, Y, SEP],
        [CLS, SPACE, A, B, C, D, SEP, SEP, SEP],
        [CLS, B, C, D, SEP, SEP, X, Y, SEP],
        [CLS, B, C, D, SEP, SEP, SPACE, Y, SEP],
    ]


def test_a_choice_is_a_row_per_choice_and_one_gold(tiny: Any, tmp_path: Path) -> None:
    examples = [ChoiceExample("1", "a", ("a", "b", "c", "d"), 2), ChoiceExample("2", "b", ("a", "b", "c", "d"), None)]
    encoded = encode(tiny, tmp_path, "hellaswag", *examples)
    assert rows(encoded, "input_ids")[:2] == [
        [CLS, SPACE, A, SEP, SEP, SPACE, A, SEP],
        [CLS, SPACE, A, SEP, SEP, SPACE, B, SEP],
    ]
    assert rows(encoded, "gold") == [[2], [], [], [], [], [], [], []]
    assert encoded.flat("example").tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert (encoded.rows_per_item, encoded.items) == (4, 2)


def test_empty_texts_are_rows_of_special_tokens(tiny: Any, tmp_path: Path) -> None:
    pair, sentence = SequenceExample("1", "", "", "neutral"), RetrievalExample("en-0", "", True, ())
    assert rows(encode(tiny, tmp_path, "xnli", pair), "input_ids") == [[CLS, SEP, SEP, SEP]]
    assert rows(encode(tiny, tmp_path, "tatoeba", sentence), "input_ids") == [[CLS, SEP]]


def test_a_line_of_text_is_a_sentence_alone(tiny: Any, tmp_path: Path) -> None:
    task = replace(TASKS["tatoeba"], name="text", kind=Kind.MASKED)
    recipe = Recipe().with_changes({"max_length": 5})
    encoded = Encoder(tiny, recipe, tmp_path).encode(task, [TextExample("1", "abcd"), TextExample("2", "")], "digest")
    assert rows(encoded, "input_ids") == [[CLS, SPACE, A, B, SEP], [CLS, SEP]]
    assert rows(encoded, "gold") == [[], []]


def test_rows_are_numbered_through_a_set_of_many_examples(tiny: Any, tmp_path: Path) -> None:
    labels = TASKS["xnli"].labels
    encoded = encode(tiny, tmp_path, "xnli", *(SequenceExample(str(i), "a", "b", labels[i % 3]) for i in range(40_000)))
    assert encoded.flat("example").tolist() == list(range(40_000))
    assert encoded.ragged("gold").values[[0, 16_383, 16_384, 32_768, 39_999]].tolist() == [0, 0, 1, 2, 0]


def test_the_library_of_tokenizers_has_no_threads_outside_an_encoding(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    encode(tiny, tmp_path, "xnli", SequenceExample("1", "a", "b", None))
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    encode(tiny, tmp_path, "mnli", SequenceExample("1", "a", "b", None))
    assert "TOKENIZERS_PARALLELISM" not in os.environ


def test_a_sentence_alone_is_cut_at_its_end(tiny: Any, tmp_path: Path) -> None:
    examples = [RetrievalExample("en-0", "abcd", True, "de-0"), RetrievalExample("de-0", "a", False, "en-0")]
    encoded = encode(tiny, tmp_path, "tatoeba", *examples, max_length=5)
    assert rows(encoded, "input_ids") == [[CLS, SPACE, A, B, SEP], [CLS, SPACE, A, SEP]]


def test_an_encoded_set_is_written_once_and_read_again(tiny: Any, tmp_path: Path) -> None:
    first = encode(tiny, tmp_path, "xnli", SequenceExample("1", "a", "b", "neutral"))
    (folder,) = (tmp_path / "cache").iterdir()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = encode(tiny, tmp_path, "xnli")
    assert again.table.equals(first.table)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.shared
def test_the_key_of_an_encoded_set_holds_what_decides_its_content(tiny: Any, real: Any, tmp_path: Path) -> None:
    def key(tokenizer: Any, name: str, data: str, **changes: Any) -> str:
        return Encoder(tokenizer, Recipe().with_changes(changes), tmp_path).key(TASKS[name], data)

    usual = key(tiny, "xnli", "d")
    assert key(tiny, "xnli", "d", learning_rate=1.0, epochs=9) == usual
    others = [key(tiny, "xnli", "d", **{name: 99}) for name in ("max_length", "doc_stride", "max_query_length")]
    others += [key(tiny, "xnli", "e"), key(tiny, "mnli", "d"), key(real, "xnli", "d")]
    assert len({usual, *others}) == 7


RACE = """
import pathlib, sys
from xstilts_hpc.data.encode import Encoder
from xstilts_hpc.examples import SequenceExample
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS

model, folder, me, other = sys.argv[1:]
encoder = Encoder(load_tokenizer(model), Recipe(), pathlib.Path(folder) / "cache")
examples = [SequenceExample(str(i), "a cat", "sat", "neutral") for i in range(2000)]
pathlib.Path(folder, me).touch()
while not pathlib.Path(folder, other).exists():
    pass
print(encoder.encode(TASKS["xnli"], examples, "digest").items)
"""


def test_two_processes_may_encode_the_same_set_at_once(tiny_model: Path, tmp_path: Path) -> None:
    def start(*names: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RACE, str(tiny_model), str(tmp_path), *names]
        return subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)

    processes = [start("one", "two"), start("two", "one")]
    assert [process.communicate(timeout=120)[0].split()[-1] for process in processes] == ["2000", "2000"]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.shared
def test_the_pieces_are_those_of_xlm_r(real: Any, tmp_path: Path) -> None:
    encoded = encode(real, tmp_path, "tatoeba", RetrievalExample("en-0", "Hello World!", True, None))
    assert rows(encoded, "input_ids") == [[0, 35378, 6661, 38, 2]]


@pytest.mark.shared
def test_a_pair_of_xlm_r_has_two_separators_between_its_texts(real: Any, tmp_path: Path) -> None:
    encoded = encode(real, tmp_path, "xnli", SequenceExample("1", "Hello World!", "Hello", None))
    assert rows(encoded, "input_ids") == [[0, 35378, 6661, 38, 2, 2, 35378, 2]]
    assert rows(encoded, "gold") == [[]]
