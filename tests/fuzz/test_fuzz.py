"""Damaged inputs give a valid object or an XstiltsError: never another exception, a hang or a half-written file.

`make fuzz` runs many thousands of cases, new ones every time; a few of them, always the same, are part of every run.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.formats import FORMATS
from tests.fuzz.mutations import damaged
from tests.fuzz.records import RECORDS
from xstilts_hpc.errors import XstiltsError
from xstilts_hpc.examples import Example
from xstilts_hpc.tasks import TASKS
from xstilts_hpc.tasks.base import BadRowError, Parser, text_length
from xstilts_hpc.tasks.folder import is_sound

# Of every input: 25,000 and more together.
_MANY, _FEW = 600, 60
_HANGS = timedelta(seconds=30)
PARSERS: dict[str, Parser] = {
    f"{source.parse.__module__.rpartition('.')[2]}.{source.parse.__qualname__}": source.parse
    for task in TASKS.values()
    for source in task.sources
    if source.usable
}


def listing(folder: Path) -> list[tuple[str, int]]:
    """Return every file below a folder with its size."""
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file())


def attempt(read: Callable[[], Any], folder: Path) -> None:
    """Read, which may fail in one way only, and must leave the folder as it was."""
    before = listing(folder)
    with suppress(XstiltsError):
        read()
    assert listing(folder) == before


def texts_in(value: Any) -> Iterator[str]:
    """Yield the texts in a tuple of texts, numbers and such tuples."""
    if isinstance(value, str):
        yield value
    for part in value if isinstance(value, tuple) else ():
        yield from texts_in(part)


def read_examples(parse: Parser, paths: tuple[Path, ...], language: str) -> None:
    """Read all rows: examples whose texts can be encoded and stored, and bad rows."""
    for row in parse(paths, language):
        if isinstance(row, BadRowError):
            assert str(row).encode()
            continue
        assert isinstance(row, Example)
        assert text_length(row) >= 0
        if is_sound(row):  # else the folder of data makes a bad row of it
            "".join(texts_in(astuple(row))).encode()


def cases(strategy: st.SearchStrategy[Any], check: Callable[[Any], None], number: int) -> None:
    """Check a number of cases, always the same where they are few."""
    known = number <= _FEW
    few = settings(
        max_examples=number,
        deadline=_HANGS,
        derandomize=known,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    few(given(strategy)(check))()


def places(folder: Path, number: int) -> tuple[Path, ...]:
    """Return where to write some files: CCGbank's test set has three, each in the folder of its section.

    Readers of parquet take the split from a name.
    """
    paths = tuple(folder / str(22 + place) / "train-file.test" for place in range(number))
    for path in paths:
        path.parent.mkdir()
    return paths


def fuzz_format(name: str, folder: Path, number: int) -> None:
    language, grammar, valid = FORMATS[name]
    paths = places(folder, len(valid))

    def check(contents: tuple[bytes, ...]) -> None:
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        attempt(lambda: read_examples(PARSERS[name], paths, language), folder)

    cases(damaged(valid, grammar=grammar), check, number)


def fuzz_record(name: str, folder: Path, number: int) -> None:
    grammar, place, valid, read = RECORDS[name]
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)

    def check(contents: tuple[bytes, ...]) -> None:
        path.write_bytes(contents[0])
        attempt(lambda: read(folder), folder)

    cases(damaged((valid,), grammar=grammar), check, number)


EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
EVERY_RECORD = pytest.mark.parametrize("name", RECORDS)


def test_every_reader_of_every_task_has_a_valid_file() -> None:
    assert set(FORMATS) == set(PARSERS)


@EVERY_FORMAT
def test_the_valid_files_are_read_without_a_bad_row(tmp_path: Path, name: str) -> None:
    language, _, valid = FORMATS[name]
    paths = places(tmp_path, len(valid))
    for path, content in zip(paths, valid, strict=True):
        path.write_bytes(content)
    rows = list(PARSERS[name](paths, language))
    assert rows and not [row for row in rows if isinstance(row, BadRowError)]


@EVERY_RECORD
def test_the_valid_records_are_read(tmp_path: Path, name: str) -> None:
    _, place, valid, read = RECORDS[name]
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(valid)
    read(tmp_path)


@EVERY_FORMAT
def test_a_damaged_file_of_a_task_is_bad_rows_or_an_error(tmp_path: Path, name: str) -> None:
    fuzz_format(name, tmp_path, _FEW)


@EVERY_RECORD
def test_a_damaged_record_is_read_or_an_error(tmp_path: Path, name: str) -> None:
    fuzz_record(name, tmp_path, _FEW)


@pytest.mark.fuzz
@EVERY_FORMAT
def test_thousands_of_damaged_files(tmp_path: Path, name: str) -> None:
    fuzz_format(name, tmp_path, _MANY)


@pytest.mark.fuzz
@EVERY_RECORD
def test_thousands_of_damaged_records(tmp_path: Path, name: str) -> None:
    fuzz_record(name, tmp_path, _MANY)
