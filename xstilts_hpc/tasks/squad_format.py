"""Read SQuAD's JSON, the form of SQuAD, XQuAD, MLQA and TyDiQA-GoldP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Answer, Example, SpanExample
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.lines import read_json_object


def parse_squad(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Yield the questions of a file, each answer checked to stand at its offset (in characters)."""
    (path,) = paths
    try:
        for article in read_json_object(path)["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield _example(question, paragraph["context"], path)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not in SQuAD's form ({type(error).__name__}: {error}); fetch it again") from error


def _example(question: dict[str, Any], context: str, path: Path) -> Example | BadRowError:
    try:
        return SpanExample(question["id"], question["question"], context, _answers(question, context))
    except DataError as error:
        return BadRowError(f"{path}: question {question['id']}: {error}")


def _answers(question: dict[str, Any], context: str) -> tuple[Answer, ...] | None:
    """Return the answers: none where v2.0's `is_impossible` says so (`plausible_answers` are not answers)."""
    impossible, answers = question.get("is_impossible", False), question.get("answers")
    if impossible and answers:
        raise DataError(f"is_impossible, but it has {len(answers)} answers")
    if answers is None:
        return () if impossible else None
    return tuple(_answer(answer, context) for answer in answers)


def _answer(answer: dict[str, Any], context: str) -> Answer:
    text, start = answer["text"], answer["answer_start"]
    found = context[start : start + len(text)]
    if start < 0 or found != text:
        raise DataError(f"answer {text!r} is not at character {start}, found {found!r}")
    return Answer(text, start)
