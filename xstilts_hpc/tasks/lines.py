"""Read the lines, rows and JSON objects of published files exactly as they stand."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError


def read_text(path: Path) -> str:
    """Return a file's text; undecodable bytes and an empty file are DataErrors."""
    try:
        text = path.read_bytes().decode("utf-8-sig" if path.suffix == ".json" else "utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); fetch the file again or convert it") from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty; fetch it again")
    return text


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, line), cut at LF or CR LF only.

    Published text holds U+001D, U+0085 and other characters at which str.splitlines would cut a row in two.
    """
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        yield number, line.removesuffix("\r")


def read_rows(path: Path, *, columns: Sequence[int], header: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of a tab-separated file without quoting; `columns` are the allowed counts."""
    for number, line in read_lines(path):
        if header and number == 1:
            continue
        fields = line.split("\t")
        if len(fields) not in columns:
            expected = " or ".join(map(str, columns))
            raise DataError(f"{path}:{number}: {len(fields)} columns, expected {expected}: {line[:80]!r}")
        yield number, fields


def read_json_lines(path: Path, *, keys: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a JSON Lines file; every object must have the keys."""
    for number, line in read_lines(path):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not valid JSON ({error}): {line[:80]!r}") from error
        if not isinstance(value, dict):
            raise DataError(f"{path}:{number}: expected a JSON object, found {line[:80]!r}")
        missing = [key for key in keys if key not in value]
        if missing:
            raise DataError(f"{path}:{number}: missing {', '.join(missing)}: {line[:80]!r}")
        yield number, value


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; a truncated one is a DataError that names line and column."""
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); the file may be truncated, fetch it again") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, found a {type(value).__name__}")
    return value


def label_in(labels: Sequence[str], label: str, where: str) -> str:
    """Return the label if it is one of the task's, else raise a DataError that lists them."""
    if label not in labels:
        raise DataError(f"{where}: unknown label {label!r}, expected one of: {', '.join(labels)}")
    return label
