"""Read the lines, rows, records and JSON objects of published files exactly as they stand."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example
from xstilts_hpc.files import parse_json
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.values import check_values

_SHOWN = 80

Row = TypeVar("Row")


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; an empty file is a DataError."""
    content = path.read_bytes()
    if not content.strip():
        raise DataError(f"{path}: the file is empty; fetch it again")
    return content


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    r"""Yield (line number from 1, line), cut at LF or CR LF only.

    Published text holds U+001D, U+0085 and other characters at which str.splitlines would cut a row in two.
    """
    lines = read_bytes(path).split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, line in enumerate(lines, 1):
        yield number, line.removesuffix(b"\r")


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 ({error.reason} at byte {error.start + 1}); fetch the file again") from error


def _bad(path: Path, number: int, error: DataError, line: bytes) -> BadRowError:
    shown = line.decode(errors="backslashreplace")[:_SHOWN]
    return BadRowError(f"{path}:{number}: {error}: {shown!r}")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line); a line that cannot be decoded is an error at once."""
    for number, line in _numbered(path):
        try:
            yield number, _decoded(line)
        except DataError as error:
            raise _bad(path, number, error, line) from error


def each_line(
    path: Path, make: Callable[[int, str], Iterable[Example]], *, header: str = ""
) -> Iterator[Example | BadRowError]:
    """Yield what `make` gives for (number, line) of each line; its DataError becomes a BadRowError with the line.

    `header` is the name of the first column where the first line must be a header.
    """
    for number, line in _numbered(path):
        if header and number == 1:
            _check_header(path, header, line)
            continue
        try:
            yield from list(make(number, _decoded(line)))
        except DataError as error:
            yield _bad(path, number, error, line)


def _check_header(path: Path, column: str, line: bytes) -> None:
    """Refuse a first line that is not the header, for it may be a row that would be lost."""
    found = line.decode("utf-8-sig", errors="backslashreplace").split("\t")[0]
    if found != column:
        raise DataError(
            f"{path}:1: no header: the first line begins with {found[:_SHOWN]!r}, expected the column {column!r}; "
            "put the line of column names back, or fetch the file again"
        )


def fields_of(line: str, columns: Sequence[int]) -> list[str]:
    """Return the tab-separated fields of a line without quoting; `columns` are the allowed counts."""
    fields = line.split("\t")
    if len(fields) not in columns:
        raise DataError(f"{len(fields)} columns, expected {' or '.join(map(str, columns))}")
    return fields


def object_of(line: str, texts: Sequence[str], **others: type) -> dict[str, Any]:
    """Return the JSON object of a line; it must have the keys, those in `texts` a text, others what is said here."""
    try:
        value = parse_json(line)
    except ValueError as error:
        raise DataError(f"not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(f"expected a JSON object, found a {type(value).__name__}")
    check_values(value, texts, **others)
    return value


def each_block(
    path: Path,
    row: Callable[[str], Row],
    make: Callable[[int, list[Row]], Iterable[Example]],
    *,
    comment: str | tuple[str, ...] = (),
) -> Iterator[Example | BadRowError]:
    """Yield what `make` gives for (number of the first line, rows) of each block between blank lines.

    Lines that begin with `comment` (or one of several) are passed over. A DataError in one line makes the block a
    BadRowError.
    """
    marks = tuple(mark.encode() for mark in ((comment,) if isinstance(comment, str) else comment))
    first, rows, bad = 0, list[Row](), list[BadRowError]()
    for number, line in [*_numbered(path), (0, b"")]:
        if line:
            first = first or number
            if not line.startswith(marks):
                try:
                    rows.append(row(_decoded(line)))
                except DataError as error:
                    bad.append(_bad(path, number, error, line))
            continue
        if bad:
            yield bad[0]
        elif rows:
            try:
                yield from list(make(first, rows))
            except DataError as error:
                yield BadRowError(f"{path}:{first}: {error}")
        first, rows, bad = 0, [], []


def each_record(
    path: Path, columns: Sequence[str], make: Callable[[Mapping[str, str]], Iterable[Example]]
) -> Iterator[Example | BadRowError]:
    """Yield what `make` gives for {column: cell} of each record of a CSV file whose header has at least `columns`.

    Quoted cells may span lines. A record that cannot be read makes each of its lines a BadRowError, for a quote left
    open takes many records with it.
    """
    lines = [line for _, line in _numbered(path)]
    # A byte that is not UTF-8 becomes a lone surrogate here, and a DataError when its record is made.
    reader = csv.reader((line.decode(errors="surrogateescape") + "\n" for line in lines), strict=True)
    try:
        header = next(reader)
    except csv.Error as error:
        raise DataError(f"{path}:1: the header is not valid CSV ({error}); fetch it again") from error
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(f"{path}:1: no column {', '.join(missing)} in the header {','.join(header)!r}; fetch it again")
    while (first := reader.line_num) < len(lines):
        try:
            cells = next(reader)
            read = lines[first : reader.line_num]
            yield from list(make(_record(header, cells, read))) if cells else []
        except (DataError, csv.Error) as error:
            shown = error if isinstance(error, DataError) else DataError(f"not valid CSV ({error})")
            for number in range(first, reader.line_num):
                yield _bad(path, number + 1, shown, lines[number])


def _record(header: Sequence[str], cells: Sequence[str], lines: Sequence[bytes]) -> Mapping[str, str]:
    for line in lines:
        _decoded(line)
    if len(cells) != len(header):
        raise DataError(f"{len(cells)} columns, expected {len(header)}")
    return dict(zip(header, cells, strict=True))


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; a truncated one is a DataError that names line and column."""
    content = read_bytes(path)
    try:
        value = parse_json(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); fetch the file again or convert it") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); the file may be truncated, fetch it again") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, found a {type(value).__name__}")
    return value


def label_in(labels: Sequence[str], label: str) -> str:
    """Return the label if it is one of the task's, else raise a DataError that lists them."""
    if label not in labels:
        raise DataError(f"unknown label {label!r}, expected one of: {', '.join(labels)}")
    return label
