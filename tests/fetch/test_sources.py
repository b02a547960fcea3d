"""SOURCES.json: whose a file is, and records that are damaged or of another version."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from xstilts_hpc.errors import DataError
from xstilts_hpc.tasks.fetched import PUBLISHED, Fetched, FetchedFile, read_fetched, sources_path, with_record


def record_of(*paths: str, trusted: str = PUBLISHED) -> Fetched:
    """Return a record of empty files."""
    files = {path: FetchedFile("d", 0) for path in paths}
    return Fetched(("hellaswag",), "u", "d", 9, trusted, "now", "MIT", files)


def test_a_new_record_takes_its_own_files_only_from_another() -> None:
    new, old, gone = record_of("a"), record_of("a", "b", "c"), record_of("a")
    found = with_record({"old": old, "gone": gone, "new": old}, "new", new)
    assert {url: list(record.files) for url, record in found.items()} == {"old": ["b", "c"], "new": ["a"]}


def test_a_record_of_a_later_version_is_not_read(tmp_path: Path) -> None:
    sources_path(tmp_path).write_text('{"schema": 2}', encoding="utf-8")
    with pytest.raises(DataError, match="schema 2, this version reads 1"):
        read_fetched(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        {"files": []},
        {"files": {"a": {"sha256": "", "bytes": "ten"}}},
        {"files": {"a": {"sha256": 1, "bytes": 10}}},
        {"files": {"a": {"sha256": "", "bytes": 1, "more": 1}}},
        {"bytes": "10"},
        {"time": None},
        {"tasks": "hellaswag"},
        {"tasks": [1]},
    ],
)
def test_a_damaged_record_is_an_error(tmp_path: Path, damage: dict[str, object]) -> None:
    record = {**asdict(record_of("a")), **damage}
    sources_path(tmp_path).write_text(json.dumps({"schema": 1, "downloads": {"u": record}}), encoding="utf-8")
    with pytest.raises(DataError, match="not a record of downloads"):
        read_fetched(tmp_path)
