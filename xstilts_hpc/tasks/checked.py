"""Check what the readers of other packages yield, so that a mistake there is a message and not a traceback later."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError, XstiltsError
from xstilts_hpc.examples import (
    ChoiceExample,
    Example,
    Kind,
    RetrievalExample,
    SequenceExample,
    SpanExample,
    TextExample,
    TokenExample,
)
from xstilts_hpc.tasks.base import BadRowError, Task

_FORMS: dict[Kind, type] = {
    Kind.SEQUENCE: SequenceExample,
    Kind.CHOICE: ChoiceExample,
    Kind.TOKEN: TokenExample,
    Kind.SPAN: SpanExample,
    Kind.RETRIEVAL: RetrievalExample,
    Kind.MASKED: TextExample,
}


def checked_rows(task: Task, paths: tuple[Path, ...], rows: Iterable[Any]) -> Iterator[Example | BadRowError]:
    """Yield the rows that a reader gives; an exception in it, or a row that its task cannot have, is a DataError."""
    where, ids, left = f"task {task.name}: its reader of {', '.join(map(str, paths))}", set[str](), iter(rows)
    while True:
        try:
            row = next(left)
        except StopIteration:
            return
        except XstiltsError:
            raise
        except Exception as error:
            raise DataError(f"{where} fails: {type(error).__name__}: {error}; mend it") from error
        if not isinstance(row, BadRowError):
            fault = row_fault(task, row) or (f"the id {row.id!r} a second time" if row.id in ids else "")
            if fault:
                raise DataError(f"{where} yields {fault}; mend it, or yield a BadRowError for such a row")
            ids.add(row.id)
        yield row


def row_fault(task: Task, row: Any) -> str:
    """Return what is wrong with an example of a task, "" where nothing is."""
    if not isinstance(row, _FORMS[task.kind]):
        return f"a {type(row).__name__}, expected {_FORMS[task.kind].__name__} of a task of kind {task.kind}"
    return _IN_ROW[task.kind](task, row) if task.kind in _IN_ROW else ""


def _sequence(task: Task, row: SequenceExample) -> str:
    known = row.label is None or row.label in task.labels
    return "" if known else f"the label {row.label!r}, expected one of: {', '.join(task.labels)}"


def _choice(task: Task, row: ChoiceExample) -> str:
    if len(row.choices) != len(task.labels):
        return f"{len(row.choices)} choices, expected {len(task.labels)}"
    return "" if row.label is None or row.label in range(len(task.labels)) else f"the choice {row.label!r}"


def _words(task: Task, row: TokenExample) -> str:
    if row.tags is not None and len(row.tags) != len(row.words):
        return f"{len(row.words)} words with {len(row.tags)} tags"
    unknown = sorted(set(row.tags or ()) - set(task.labels)) if task.labels else []
    return f"the tags {', '.join(unknown)}, which the task does not have" if unknown else ""


def _answers(task: Task, row: SpanExample) -> str:
    wrong = [answer for answer in row.answers or () if not row.context[answer.start :].startswith(answer.text)]
    return f"an answer that does not stand where it says: {wrong[0]!r}" if wrong else ""


_IN_ROW: dict[Kind, Callable[[Task, Any], str]] = {
    Kind.SEQUENCE: _sequence,
    Kind.CHOICE: _choice,
    Kind.TOKEN: _words,
    Kind.SPAN: _answers,
}
