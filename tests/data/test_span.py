"""Questions on contexts: windows, and answers by the characters of their tokens."""

from pathlib import Path
from typing import Any

import pytest

from tests.encoding import CLS, SEP, SPACE, A, B, encode, read, rows
from xstilts_hpc.errors import GridError
from xstilts_hpc.examples import Answer, SpanExample
from xstilts_hpc.tasks.base import Split

# 11 tokens of context (a space and ten letters), 5 in a window: 11 - 4 special - 2 of the question.
WINDOWS = {"max_length": 11, "doc_stride": 3}
QUESTION = SpanExample("q", "q", "abcdefghij", (Answer("ef", 4),))


@pytest.mark.parametrize("context", ["", " \t "])
def test_a_context_without_text_is_one_window_without_an_answer(tiny: Any, tmp_path: Path, context: str) -> None:
    encoded = encode(tiny, tmp_path, "squad_v1", SpanExample("1", "", context, ()), QUESTION)
    assert encoded.flat("example").tolist() == [0, 1]
    assert rows(encoded, "gold")[0] == [0, 0]
    assert encoded.ragged("offsets").lengths()[0] == 2 * encoded.ragged("max_context").lengths()[0]


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
@pytest.mark.parametrize("max_length", [12, 64])
@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย มีประชากร 10 ล้านคน", "ประเทศไทย"),
        ("แม่น้ำเจ้าพระยาไหลผ่านกรุงเทพมหานคร", "กรุงเทพมหานคร"),  # the tokenizer makes two characters of am
        ("北京是中国的首都，人口约 2100 万。", "首都"),
        ("北京是中国的首都，人口约 2100 万。", "2100"),
    ],
)
def test_answers_are_cut_by_characters_where_words_have_no_spaces(
    real: Any, tmp_path: Path, context: str, answer: str, max_length: int
) -> None:
    example = SpanExample("1", "?", context, (Answer(answer, context.index(answer)),))
    encoded = encode(real, tmp_path, "xquad", example, max_length=max_length, doc_stride=5)
    offsets, begins = encoded.ragged("offsets"), encoded.flat("context_begin")
    shown = set()
    for row, (start, end) in enumerate(rows(encoded, "gold")):
        if start:
            characters = offsets[row].reshape(-1, 2)
            shown.add(context[characters[start - begins[row]][0] : characters[end - begins[row]][1]])
    assert shown == {answer}
    assert (encoded.items == 1) is (max_length == 64)


@pytest.mark.shared
def test_every_real_token_has_the_most_context_once(real: Any, shared_data: Path, tmp_path: Path) -> None:
    examples = read(shared_data, tmp_path, "xquad", Split.TEST, "zh")[:40]
    encoded = encode(real, tmp_path, "xquad", *examples, max_length=128, doc_stride=48)
    marked, example = encoded.ragged("max_context"), encoded.flat("example")
    for i, item in enumerate(examples):
        tokens = len(real(item.context, add_special_tokens=False)["input_ids"])
        assert sum(int(marked[row].sum()) for row in (example == i).nonzero()[0]) == tokens
