"""SOURCES.json in a data folder: what was fetched, from where, under which licence, and what the files must be.

The file holds `{"schema": 1, "downloads": {URL: record}}`, a record per download under the publisher's own URL:

    tasks     names of the tasks that it was fetched for
    url       where it came from: the publisher's URL, or a mirror of it
    sha256    of what came, in hexadecimal
    bytes     its size
    trusted   "published": the SHA-256 was known before; "first download": it was not, so the first one was believed
              "imported": it is no download, but a folder that a user had ("sha256" is empty, "url" is the folder)
    time      when it came, UTC
    licence   as stated in the task's file
    files     what is on disk because of it: path under the data folder -> {"sha256", "bytes"}

A path stands in one record at most. Only who holds `fetch_lease(data)` may write it; `check_fetched` needs no network.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.files import MALFORMED, made_of, read_json, sha256_of, write_json

SCHEMA = 1
PUBLISHED, FIRST_DOWNLOAD, IMPORTED = "published", "first download", "imported"
_NAME = "SOURCES.json"


@dataclass(frozen=True)
class FetchedFile:
    """What a file on disk must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Fetched:
    """One download as it was made."""

    tasks: tuple[str, ...]
    url: str
    sha256: str
    bytes: int
    trusted: str
    time: str
    licence: str
    files: Mapping[str, FetchedFile]


def sources_path(data: Path) -> Path:
    """Return the record of a data folder."""
    return data / _NAME


def scratch_folder(data: Path) -> Path:
    """Return the folder in which downloads grow; what is left there of an interrupted one is gone on with."""
    return data / ".fetch"


def fetch_lease(data: Path) -> Path:
    """Return the lease (xstilts_hpc.lease.hold) of whoever puts files into a data folder and writes its record."""
    return scratch_folder(data) / "lease.json"


def read_fetched(data: Path) -> dict[str, Fetched]:
    """Return the records by the publishers' URLs; empty where nothing was fetched."""
    path = sources_path(data)
    if not path.is_file():
        return {}
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        found = value.get("schema") if isinstance(value, dict) else type(value).__name__
        raise DataError(f"{path}: schema {found!r}, this version reads {SCHEMA}; move it away and fetch again")
    try:
        return {url: _record(record) for url, record in value["downloads"].items()}
    except MALFORMED as error:
        raise DataError(f"{path}: not a record of downloads ({error!r}); move it away and fetch again") from error


def _record(value: dict[str, Any]) -> Fetched:
    if not (isinstance(value["tasks"], list) and all(isinstance(name, str) for name in value["tasks"])):
        raise TypeError(f"tasks is {value['tasks']!r}, expected a list of names")
    files = {path: made_of(FetchedFile, file) for path, file in value["files"].items()}
    return made_of(Fetched, {**value, "tasks": tuple(value["tasks"]), "files": files})


def write_fetched(data: Path, records: Mapping[str, Fetched]) -> None:
    """Write the record as a whole."""
    write_json(sources_path(data), {"schema": SCHEMA, "downloads": {url: asdict(r) for url, r in records.items()}})


def with_record(records: Mapping[str, Fetched], url: str, record: Fetched) -> dict[str, Fetched]:
    """Return the records with a new one, whose files no longer belong to others; one that has no more files goes."""
    others = {key: _without(old, record.files) for key, old in records.items() if key != url}
    return {key: old for key, old in others.items() if old.files} | {url: record}


def _without(record: Fetched, names: Container[str]) -> Fetched:
    return replace(record, files={name: file for name, file in record.files.items() if name not in names})


def check_fetched(data: Path, record: Fetched) -> Iterator[str]:
    """Yield a line for each file of a download that is not as it was unpacked: path, what is wrong."""
    for name, file in record.files.items():
        path = data / name
        if not path.is_file():
            yield f"{name}: not there"
        elif path.stat().st_size != file.bytes:
            yield f"{name}: {path.stat().st_size:,} bytes, {file.bytes:,} were fetched"
        elif sha256_of(path) != file.sha256:
            yield f"{name}: other content than was fetched (SHA-256 is not {file.sha256[:12]}...)"
