"""docs/logits.md says what the files hold, and its programs give the package's numbers."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.logits_samples import RETRIEVAL, TOKEN, floats, integers
from xstilts_hpc.logits import Header, Logits, SequenceLogits, SpanLogits, TokenLogits, write_logits
from xstilts_hpc.logits_check import FORMS
from xstilts_hpc.scoring import predictions, score
from xstilts_hpc.tasks import task_of
from xstilts_hpc.tasks.base import Task

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "logits.md").read_text(encoding="utf-8")
TABLES = PAGE.partition("## Datasets of a language")[2]
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def program(name: str) -> Any:
    """Return a function of the page."""
    (text,) = (text for text in PROGRAMS if f"def {name}(" in text)
    names: dict[str, Any] = {}
    exec(text, names)
    return names[name]


def written(path: Path, task: Task, labels: tuple[str, ...] = (), **languages: Logits) -> Path:
    header = Header("run", task.name, str(task.kind), "test", "model", "code", "today", labels)
    write_logits(path, header, {code: (logits, "digest") for code, logits in languages.items()})
    return path


def test_the_programs_are_short() -> None:
    lines = [[line for line in text.splitlines() if line] for text in PROGRAMS]
    assert [len(each) <= most for each, most in zip(lines, (10, 10, 20), strict=True)] == [True] * 3


def test_the_tables_are_the_forms_that_the_reader_demands() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (texts|float32|integers) \| (.*?) \|", TABLES, re.MULTILINE)
    said = [(name, holds, tuple(re.findall("`(.*?)`", axes))) for name, holds, axes in rows]
    assert said == [(name, *form) for forms in FORMS.values() for name, form in forms.items()]


def test_every_root_attribute_is_on_the_page(tmp_path: Path) -> None:
    with h5py.File(written(tmp_path / "x.h5", task_of("xnli"), sw=SequenceLogits(("a",), floats([1])))) as file:
        said = set(file.attrs) | {name for name in file if name != "sw"}
        assert all(f"| `{name}` |" in PAGE for name in said)
        assert said == {item.name for item in fields(Header)}
        assert all(f"`{name}`" in PAGE for name in file["sw"].attrs)


def random_logits(number: int, labels: int) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=(number, labels)).astype(np.float32), random.integers(labels, size=number)


@pytest.mark.parametrize("name", ["xnli", "commonsenseqa"])
def test_the_program_for_sequences_and_choices_gives_the_accuracy(tmp_path: Path, name: str) -> None:
    task = task_of(name)
    logits, gold = random_logits(200, len(task.labels))
    stored = SequenceLogits(tuple(map(str, range(200))), logits, gold)
    found = program("accuracy")(written(tmp_path / "x.h5", task, task.labels, sw=stored))
    assert found == {"sw": pytest.approx(score(task, stored, "sw")["accuracy"])}
    assert 0 < found["sw"] < 1


def test_the_program_for_tokens_gives_the_accuracy(tmp_path: Path) -> None:
    task = task_of("udpos")
    logits, gold = random_logits(300, len(task.labels))
    stored = TokenLogits(("a", "b", "c"), logits, integers(0, 100, 100, 300), gold)
    right = sum(
        predicted == task.labels[index]
        for predicted, index in zip(
            (tag for sentence in predictions(task, stored) for tag in sentence), gold, strict=True
        )
    )
    found = program("accuracy")(written(tmp_path / "x.h5", task, task.labels, sw=stored))
    assert found == {"sw": pytest.approx(right / 300)}
    assert program("accuracy")(written(tmp_path / "y.h5", task, sw=TOKEN)) == {"sw": 1}


def test_the_program_for_retrieval_gives_the_accuracy(tmp_path: Path) -> None:
    logits = replace(RETRIEVAL, gold=integers([0, 1], [1, 0]))
    found = program("accuracy_of_retrieval")(written(tmp_path / "x.h5", task_of("tatoeba"), sw=logits))
    assert found == {"sw": score(task_of("tatoeba"), logits, "sw")["accuracy"]} == {"sw": 0.5}


def two_windows_each(examples: int) -> SpanLogits:
    """Return random logits of questions with two windows of 12 and 60 one-letter tokens."""
    random, tokens, context = np.random.default_rng(1), 72 * examples, "bcdfghjklm" * 6
    offsets = np.concatenate([np.stack([np.arange(n), np.arange(n) + 1], axis=1) for n in [12, 60] * examples])
    return SpanLogits(
        example_id=tuple(map(str, range(examples))),
        start_logits=random.normal(size=tokens).astype(np.float32),
        end_logits=random.normal(size=tokens).astype(np.float32),
        first_token=np.cumsum([0, *[12, 60] * examples]),
        offsets=offsets,
        max_context=random.integers(2, size=tokens),
        null_logits=np.zeros((2 * examples, 2), np.float32),
        feature_example=np.repeat(np.arange(examples), 2),
        example_context=np.zeros(examples, np.int64),
        contexts=(context,),
        answers=('[{"text": "bcd", "start": 0}, {"text": "f", "start": 3}]',) * examples,
    )


def test_the_program_for_spans_gives_the_answers(tmp_path: Path) -> None:
    task, logits = task_of("xquad"), two_windows_each(60)
    with h5py.File(written(tmp_path / "x.h5", task, sw=logits), "r") as file:
        answers, gold = program("spans")(file["sw"])
    assert answers == predictions(task, logits)
    assert gold == [["bcd", "f"]] * 60
    assert len(set(answers)) > 30
