"""Read SQuAD's JSON, the form of SQuAD, XQuAD, MLQA and TyDiQA-GoldP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Answer, Example, SpanExample
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.hub import parse_spans
from xstilts_hpc.tasks.lines import read_json_object
from xstilts_hpc.tasks.values import check_items, check_type, check_values, shown


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


def parse_answered(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read a file where every question has an answer, as in v1.1; one without, or an empty one, is a bad row.

    XTREME's translations have a few: most questions whose answer was lost in translation are left out, not all.
    """
    return _answered(paths, parse_squad(paths, language))


def parse_hub_answered(paths: tuple[Path, ...], language: str) -> Iterator[Example | BadRowError]:
    """Read a parquet copy of such a file."""
    return _answered(paths, parse_spans(paths, language))


def _answered(paths: tuple[Path, ...], rows: Iterator[Example | BadRowError]) -> Iterator[Example | BadRowError]:
    for row in rows:
        if isinstance(row, SpanExample) and _lacks_answer(row):
            yield BadRowError(f"{paths[0]}: question {row.id}: no answer, but every question here has one")
        else:
            yield row


def _lacks_answer(row: SpanExample) -> bool:
    """Say whether a question has no answer or an empty one (None is a file that does not say)."""
    return row.answers is not None and not (row.answers and all(answer.text for answer in row.answers))


def _example(question: dict[str, Any], context: Any, path: Path) -> Example | BadRowError:
    name = question["id"]
    try:
        check_type("id", name, str, int)
        check_type("context", context, str)
        check_values(question, ("question",))
        return SpanExample(str(name), question["question"], context, _answers(question, context))
    except DataError as error:
        return BadRowError(f"{path}: question {_name(name)}: {error}")


def _name(value: Any) -> str:
    """Return an id as a message names it."""
    return value if isinstance(value, str) and value.isprintable() else shown(value)


def _answers(question: dict[str, Any], context: str) -> tuple[Answer, ...] | None:
    """Return the answers: none where v2.0's `is_impossible` says so (`plausible_answers` are not answers)."""
    impossible, answers = question.get("is_impossible", False), question.get("answers")
    if answers is None:
        return () if impossible else None
    check_type("answers", answers, list)
    if impossible and answers:
        raise DataError(f"is_impossible, but it has {len(answers)} answers")
    check_items("answers", answers, dict)
    return tuple(_answer(answer, context) for answer in answers)


def _answer(answer: dict[str, Any], context: str) -> Answer:
    check_values(answer, ("text",), answer_start=int)
    text, start = answer["text"], answer["answer_start"]
    found = context[start : start + len(text)]
    if start < 0 or found != text:
        raise DataError(f"answer {text!r} is not at character {start}, found {found!r}")
    return Answer(text, start)
