"""Values of a wrong type in JSON files: a bad row that names file, place and text, while the row after it is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.published import folder_of, question, read, squad
from xstilts_hpc.errors import DataError
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import BadRowError, Split

CHOICES = [{"label": letter, "text": f"text {letter}"} for letter in "ABCDE"]
PAIR = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "7"}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "anli_r1r2r3": ("anli_v1.0/R{round}/dev.jsonl", {"context": "a", "hypothesis": "b", "label": "n"}),
    "snli": ("snli_1.0/snli_1.0_dev.jsonl", PAIR),
    "xnli": ("XNLI-1.0/xnli.dev.jsonl", {"language": "en", **PAIR}),
    "hellaswag": ("hellaswag_val.jsonl", {"ctx_a": "A.", "ctx_b": "he", "endings": ["a", "b", "c", "d"], "label": 2}),
    "commonsenseqa": (
        "dev_rand_split.jsonl",
        {"id": "q", "question": {"stem": "why?", "choices": CHOICES}, "answerKey": "A"},
    ),
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("anli_r1r2r3", {"hypothesis": None}, "hypothesis is null, expected a text"),
    ("anli_r1r2r3", {"label": 0}, "label is 0, expected a text"),
    ("snli", {"gold_label": 1}, "gold_label is 1, expected a text"),
    ("xnli", {"sentence1": ["a"]}, 'sentence1 is ["a"], expected a text'),
    ("hellaswag", {"ctx_b": None}, "ctx_b is null, expected a text"),
    ("hellaswag", {"endings": None}, "endings is null, expected a list"),
    ("hellaswag", {"endings": "abcd"}, 'endings is "abcd", expected a list'),
    ("hellaswag", {"endings": ["a", "b", 3, "d"]}, "an item of endings is 3, expected a text"),
    ("commonsenseqa", {"id": 5}, "id is 5, expected a text"),
    ("commonsenseqa", {"question": None}, "question is null, expected an object"),
    ("commonsenseqa", {"question": {"stem": "?", "choices": ["a"]}}, 'an item of choices is "a", expected an object'),
    (
        "commonsenseqa",
        {"question": {"stem": "?", "choices": [{"label": 1, "text": "a"}]}},
        "label is 1, expected a text",
    ),
    (
        "commonsenseqa",
        {"question": {"stem": "?", "choices": [*CHOICES, CHOICES[0]]}},
        "choices A, A, B, C, D, E, expected A, B, C, D, E",
    ),
]


@pytest.mark.parametrize(("task", "change", "message"), WRONG)
def test_a_line_with_a_value_of_another_type_is_a_bad_row(
    tmp_path: Path, task: str, change: dict[str, Any], message: str
) -> None:
    name, row = ROWS[task]
    wrong = json.dumps({**row, **change})
    names = [name.format(round=number) for number in ((1, 2, 3) if "{" in name else (1,))]
    folder = folder_of(tmp_path, dict.fromkeys(names, f"{wrong}\n{json.dumps(row)}\n"))
    bad, good, *_ = folder.locate(TASKS[task], Split.DEV).rows()
    assert str(bad) == f"{tmp_path / names[0]}:1: {message}: {wrong[:80]!r}"
    assert not isinstance(good, BadRowError)


ANSWER = {"text": "Ann", "answer_start": 0}
WRONG_QUESTIONS: list[tuple[dict[str, Any], str]] = [
    ({"question": None}, "question q1: question is null, expected a text"),
    ({"id": None}, "question null: id is null, expected a text or a whole number"),
    ({"id": True}, "question true: id is true, expected a text or a whole number"),
    ({"answers": "Ann"}, 'question q1: answers is "Ann", expected a list'),
    ({"answers": ["Ann"]}, 'question q1: an item of answers is "Ann", expected an object'),
    ({"answers": [{**ANSWER, "text": None}]}, "question q1: text is null, expected a text"),
    ({"answers": [{**ANSWER, "answer_start": "0"}]}, 'question q1: answer_start is "0", expected a whole number'),
    ({"answers": [{**ANSWER, "answer_start": 0.0}]}, "question q1: answer_start is 0.0, expected a whole number"),
    ({"answers": [{"text": "Ann"}]}, "question q1: missing answer_start"),
    ({"is_impossible": True, "answers": "Ann"}, 'question q1: answers is "Ann", expected a list'),
]


@pytest.mark.parametrize(("change", "message"), WRONG_QUESTIONS)
def test_a_question_with_a_value_of_another_type_is_a_bad_row(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    asked = question("q1", ("Ann", 0))
    folder = folder_of(tmp_path, {"squad/dev-v1.1.json": squad({**asked, **change}, asked)})
    bad, good = folder.locate(TASKS["squad_v1"], Split.DEV).rows()
    assert str(bad) == f"{tmp_path}/squad/dev-v1.1.json: {message}"
    assert not isinstance(good, BadRowError)


def test_a_context_that_is_no_text_makes_its_questions_bad_rows(tmp_path: Path) -> None:
    paragraph = {"context": None, "qas": [question("q1", ("Ann", 0)), question("q2")]}
    text = json.dumps({"data": [{"paragraphs": [paragraph]}]})
    rows = folder_of(tmp_path, {"dev-v2.0.json": text}).locate(TASKS["squad_v2"], Split.DEV).rows()
    assert [str(row) for row in rows] == [
        f"{tmp_path}/dev-v2.0.json: question {name}: context is null, expected a text" for name in ("q1", "q2")
    ]


def test_a_number_for_the_id_of_a_question_becomes_text(tmp_path: Path) -> None:
    (example,) = read(tmp_path, "xquad test en", {"xquad.en.json": squad({**question("", ("Ann", 0)), "id": 7})})
    assert example.id == "7"


def test_half_a_surrogate_pair_is_a_bad_row(tmp_path: Path) -> None:
    name, row = ROWS["snli"]
    text = "".join(json.dumps({**PAIR, key: "a\ud800b"}) + "\n" for key in ("sentence1", "pairID"))
    first, second, good = folder_of(tmp_path, {name: text + json.dumps(row)}).locate(TASKS["snli"], Split.DEV).rows()
    shown = r'"a\ud800b", with half a surrogate pair, which is no character'
    assert f"dev.jsonl:1: sentence1 is {shown}" in str(first) and f"dev.jsonl:2: pairID is {shown}" in str(second)
    assert not isinstance(good, BadRowError)


def test_an_id_that_a_logits_file_cannot_hold_is_a_bad_row(tmp_path: Path) -> None:
    files: Any = {
        "bucc2018/de-en.dev.de": "a\0\tein\n",
        "bucc2018/de-en.dev.en": "b\tone\n",
        "bucc2018/de-en.dev.gold": "",
    }
    files["bucc2018/de-en.dev.gold"] = "a\0\tb\n"
    bad, good = folder_of(tmp_path, files).locate(TASKS["bucc2018"], Split.DEV, "de").rows()
    assert r"the id 'a\x00' cannot be stored; fetch the file again" in str(bad)
    assert not isinstance(good, BadRowError)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_nested_too_deeply_is_a_bad_row_or_an_error(tmp_path: Path, deep: str) -> None:
    name, row = ROWS["snli"]
    bad, good = folder_of(tmp_path, {name: f"{deep}\n{json.dumps(row)}\n"}).locate(TASKS["snli"], Split.DEV).rows()
    assert "not valid JSON (nested too deeply)" in str(bad) and not isinstance(good, BadRowError)
    folder = folder_of(tmp_path, {"squad/dev-v1.1.json": deep})
    with pytest.raises(DataError, match=r"dev-v1.1.json: not valid JSON \(nested too deeply\)"):
        list(folder.locate(TASKS["squad_v1"], Split.DEV).rows())


def test_a_header_that_is_no_csv_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"cosmosqa/valid.csv": "id\r,context\r\n1,2\r\n"})
    with pytest.raises(DataError, match=r"valid.csv:1: the header is not valid CSV"):
        list(folder.locate(TASKS["cosmosqa"], Split.DEV).rows())
