"""From examples to token ids: with pieces of single characters, and with XLM-R's own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xstilts_hpc.data.encode import Encoded, Encoder, join
from xstilts_hpc.errors import GridError
from xstilts_hpc.examples import (
    Answer,
    ChoiceExample,
    RetrievalExample,
    SequenceExample,
    SpanExample,
    TokenExample,
)
from xstilts_hpc.files import Memory
from xstilts_hpc.model.encoder import load_tokenizer
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import Split
from xstilts_hpc.tasks.folder import DataFolder

TOP = Path(__file__).resolve().parent.parent.parent
# The tiny tokenizer's pieces: <s> 0, </s> 2, <unk> 3, the space before each word 4, a to z 5 to 30.
CLS, SEP, UNKNOWN, SPACE, A, B, C, D = 0, 2, 3, 4, 5, 6, 7, 8


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Any:
    return load_tokenizer(str(tiny_model))


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return XLM-R's tokenizer, made from its pieces."""
    folder = tmp_path_factory.mktemp("tokenizer")
    pieces = "sentencepiece.bpe.model"
    (folder / pieces).symlink_to(shared_data / "tokenizer" / "xlm-roberta" / pieces)
    (folder / "config.json").write_text('{"model_type": "xlm-roberta"}')
    return load_tokenizer(str(folder))


def encode(tokenizer: Any, folder: Path, name: str, *examples: Any, **lengths: int) -> Encoded:
    encoder = Encoder(tokenizer, Recipe().with_changes(lengths), folder / "cache")
    return encoder.encode(TASKS[name], examples, "digest")


def rows(encoded: Encoded, name: str) -> list[list[int]]:
    column = encoded.ragged(name)
    return [column[i].tolist() for i in range(len(column))]


def read(data: Path, folder: Path, name: str, split: Split, language: str) -> list[Any]:
    return list(DataFolder(data, Memory(folder / "m.json")).locate(TASKS[name], split, language).examples())


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


def test_a_long_pair_loses_the_end_of_the_longer_text_token_by_token(tiny: Any) -> None:
    first, second = [10, 11, 12, 13, 14], [20, 21, 22]
    assert join(tiny, first, second, 12) == [CLS, 10, 11, 12, 13, 14, SEP, SEP, 20, 21, 22, SEP]
    assert join(tiny, first, second, 10) == [CLS, 10, 11, 12, SEP, SEP, 20, 21, 22, SEP]
    assert join(tiny, first, second, 9) == [CLS, 10, 11, 12, SEP, SEP, 20, 21, SEP]
    assert join(tiny, second, first, 9) == [CLS, 20, 21, 22, SEP, SEP, 10, 11, SEP]


def test_a_long_choice_loses_the_beginning_of_both_texts(tiny: Any) -> None:
    first, second = [10, 11, 12, 13, 14], [20, 21, 22]
    assert join(tiny, first, second, 9, keep_end=True) == [CLS, 12, 13, 14, SEP, SEP, 21, 22, SEP]
    assert join(tiny, first, [], 6, keep_end=True) == [CLS, 13, 14, SEP, SEP, SEP]
    assert join(tiny, [], second, 5, keep_end=True) == [CLS, SEP, SEP, 22, SEP]


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


def test_a_sentence_alone_is_cut_at_its_end(tiny: Any, tmp_path: Path) -> None:
    examples = [RetrievalExample("en-0", "abcd", True, "de-0"), RetrievalExample("de-0", "a", False, "en-0")]
    encoded = encode(tiny, tmp_path, "tatoeba", *examples, max_length=5)
    assert rows(encoded, "input_ids") == [[CLS, SPACE, A, B, SEP], [CLS, SPACE, A, SEP]]
    assert encoded.flat("english").tolist() == [True, False]


# 11 tokens of context (a space and ten letters), 5 in a window: 11 - 4 special - 2 of the question.
WINDOWS = {"max_length": 11, "doc_stride": 3}
QUESTION = SpanExample("q", "q", "abcdefghij", (Answer("ef", 4),))


def test_windows_start_every_stride_and_cover_the_context(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "squad_v1", QUESTION, **WINDOWS)
    context = [SPACE, *range(A, A + 10)]
    head = [CLS, SPACE, 21, SEP, SEP]
    assert rows(encoded, "input_ids") == [[*head, *context[start : start + 5], SEP] for start in (0, 3, 6)]
    assert encoded.flat("context_begin").tolist() == [5, 5, 5]
    assert encoded.flat("example").tolist() == [0, 0, 0]
    assert rows(encoded, "offsets")[0] == [0, 1, 0, 1, 1, 2, 2, 3, 3, 4]


def test_each_token_has_the_most_context_in_exactly_one_window(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "squad_v1", QUESTION, **WINDOWS)
    assert rows(encoded, "max_context") == [[1, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 1]]


def test_an_answer_is_in_the_windows_that_show_it_whole(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "squad_v1", QUESTION, **WINDOWS)
    # "ef" are tokens 5 and 6 of the context: cut off in the first window, whole in the second, cut off in the third.
    assert rows(encoded, "gold") == [[0, 0], [7, 8], [0, 0]]


def test_answers_are_mapped_by_characters_without_white_space(tiny: Any, tmp_path: Path) -> None:
    contexts = [SpanExample("1", "q", "ab cd", (Answer("cd", 3),)), SpanExample("2", "q", "ab cd", (Answer(" cd", 2),))]
    encoded = encode(tiny, tmp_path, "squad_v1", *contexts)
    # context tokens from 5: space a b space c d
    assert rows(encoded, "gold") == [[8, 10], [8, 10]]
    assert rows(encoded, "offsets")[0] == [0, 1, 0, 1, 1, 2, 3, 4, 3, 4, 4, 5]


def test_no_answer_points_at_the_first_token_and_unknown_answers_at_nothing(tiny: Any, tmp_path: Path) -> None:
    examples = [SpanExample("1", "q", "ab", ()), SpanExample("2", "q", "ab", None)]
    assert rows(encode(tiny, tmp_path, "squad_v1", *examples), "gold") == [[0, 0], []]


def test_a_long_question_is_cut(tiny: Any, tmp_path: Path) -> None:
    encoded = encode(tiny, tmp_path, "squad_v1", SpanExample("1", "abcd", "a", ()), max_query_length=3)
    assert rows(encoded, "input_ids") == [[CLS, SPACE, A, B, SEP, SEP, SPACE, A, SEP]]


def test_a_question_that_fills_the_length_is_an_error(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"max_length 8 leaves no room for a context beside a question of 5 tokens"):
        encode(tiny, tmp_path, "squad_v1", SpanExample("1", "abcd", "a", ()), max_length=8)


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


@pytest.mark.shared
@pytest.mark.parametrize("language", ["zh", "ar", "ru"])
def test_real_answers_are_inside_the_characters_of_their_tokens(
    real: Any, shared_data: Path, tmp_path: Path, language: str
) -> None:
    examples = read(shared_data, tmp_path, "xquad", Split.TEST, language)
    encoded = encode(real, tmp_path, "xquad", *examples, max_length=128, doc_stride=48)
    offsets, begins = encoded.ragged("offsets"), encoded.flat("context_begin")
    found = set()
    for row, (start, end) in enumerate(rows(encoded, "gold")):
        if start:
            example, characters = encoded.flat("example")[row], offsets[row].reshape(-1, 2)
            first, last = characters[start - begins[row]][0], characters[end - begins[row]][1]
            found.add(int(example))
            assert examples[example].answers[0].text in examples[example].context[first:last]
    assert len(found) == len(examples)


@pytest.mark.shared
def test_every_real_token_has_the_most_context_once(real: Any, shared_data: Path, tmp_path: Path) -> None:
    examples = read(shared_data, tmp_path, "xquad", Split.TEST, "zh")[:40]
    encoded = encode(real, tmp_path, "xquad", *examples, max_length=128, doc_stride=48)
    marked, example = encoded.ragged("max_context"), encoded.flat("example")
    for i, item in enumerate(examples):
        tokens = len(real(item.context, add_special_tokens=False)["input_ids"])
        assert sum(int(marked[row].sum()) for row in (example == i).nonzero()[0]) == tokens
