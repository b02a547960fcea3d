"""Fetch the data of tasks: what is needed, what is here, and the rest from the publishers, recorded in SOURCES.json."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from xstilts_hpc.byte_sizes import in_bytes
from xstilts_hpc.clock import utc
from xstilts_hpc.disk import FullDiskError, check_room, disk_errors_are_clear
from xstilts_hpc.errors import DataError, FetchError, nearest
from xstilts_hpc.fetch.transfer import Patience, Wanted, transfer
from xstilts_hpc.fetch.unpack import OccupiedError, is_packed, lacking, unpack
from xstilts_hpc.fetch.watching import Watching
from xstilts_hpc.files import Memory, sha256_of
from xstilts_hpc.lease import hold
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.fetched import (
    FIRST_DOWNLOAD,
    IMPORTED,
    PUBLISHED,
    Fetched,
    FetchedFile,
    check_fetched,
    fetch_lease,
    read_fetched,
    scratch_folder,
    with_record,
    write_fetched,
)
from xstilts_hpc.tasks.folder import DataFolder


class State(StrEnum):
    """What became of a download."""

    HERE = "here"
    FETCHED = "fetched"
    TO_FETCH = "to fetch"
    MISSING = "missing"


@dataclass(frozen=True)
class Job:
    """A download, and the tasks that it is for."""

    download: Download
    tasks: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class Outcome:
    """What became of one download, or of a task that there is nothing to download of; `says` is why it is missing."""

    tasks: tuple[str, ...]
    url: str
    state: State
    licence: str
    num_bytes: int = 0
    says: str = ""


@dataclass(frozen=True)
class Fetching:
    """How to fetch: into which data folder, from which mirror of all publishers ("": themselves), how patiently."""

    data: Path
    mirror: str = ""
    patience: Patience = field(default_factory=Patience)


def with_translations(tasks: Sequence[Task], languages: Sequence[str]) -> list[Task]:
    """Return the tasks with the translations of their training sets into some languages among their downloads."""
    known = {code for task in tasks for code in task.translations}
    for code in languages:
        if code not in known:
            names = ", ".join(task.name for task in tasks)
            there = nearest(code, known) if known else "none is"
            raise DataError(f"no translation of {names} into {code!r} is published; {there}")
    return [replace(task, downloads=(*task.downloads, *_translated(task, languages))) for task in tasks]


def _translated(task: Task, languages: Sequence[str]) -> list[Download]:
    return [task.translations[code] for code in languages if code in task.translations]


def jobs_of(tasks: Iterable[Task]) -> list[Job]:
    """Return the downloads of tasks, each once."""
    jobs: dict[str, Job] = {}
    for task in tasks:
        for download in task.downloads:
            before = jobs[download.url].tasks if download.url in jobs else ()
            jobs[download.url] = Job(download, (*before, task.name), task.licence)
    return list(jobs.values())


def plan_fetch(tasks: Sequence[Task], data: Path) -> list[Outcome]:
    """Return what a fetch would do, without network and without changing anything."""
    records = read_fetched(data)
    found = [_planned(job, records, data) for job in jobs_of(tasks)]
    return [*found, *_by_hand(tasks, data)]


def fetch(tasks: Sequence[Task], fetching: Fetching, watching: Watching) -> Iterator[Outcome]:
    """Fetch what is not here, one download after another, and yield what became of each; one that fails stops no other.

    A full disk ends it. LockError where another process puts files into the same folder.
    """
    data = fetching.data
    with disk_errors_are_clear(data):
        data.mkdir(parents=True, exist_ok=True)
        known = read_fetched(data)
        to_come = [job.download for job in jobs_of(tasks) if job.download.url not in known]
        check_room(data, sum(download.num_bytes for download in to_come), "the downloads")
    with disk_errors_are_clear(data), hold(fetch_lease(data)):
        for job in jobs_of(tasks):
            records = read_fetched(data)
            found = _planned(job, records, data)
            if found.state is State.HERE and job.download.url not in records:
                write_fetched(data, with_record(records, job.download.url, _put_there(job, data)))
            yield found if found.state is State.HERE else _fetched(job, records, fetching, watching)
        yield from _by_hand(tasks, data)


def _planned(job: Job, records: dict[str, Fetched], data: Path) -> Outcome:
    download, record = job.download, records.get(job.download.url)
    here = record and _is_of(record, download) and not any(check_fetched(data, record))
    state = State.HERE if here or (not record and _is_as_published(download, data)) else State.TO_FETCH
    return Outcome(job.tasks, download.url, state, job.licence, download.num_bytes or (record.bytes if record else 0))


def _is_as_published(download: Download, data: Path) -> bool:
    """Say whether a user has put the very file there that would be downloaded; of archives nobody can tell."""
    file = data / download.to
    plain = bool(download.sha256) and not download.members and not is_packed(download)
    return plain and file.is_file() and sha256_of(file) == download.sha256


def _put_there(job: Job, data: Path) -> Fetched:
    """Return what to record of a file that a user has put there."""
    to, sha256 = job.download.to, job.download.sha256
    size = (data / to).stat().st_size
    files = {to: FetchedFile(sha256, size)}
    return Fetched(job.tasks, job.download.url, sha256, size, PUBLISHED, utc(), job.licence, files)


def _is_of(record: Fetched, download: Download) -> bool:
    """Say whether a record is of a download as it is stated now, by its digest and by what is needed of it."""
    return download.sha256 in ("", record.sha256) and not lacking(download, record.files)


def _by_hand(tasks: Sequence[Task], data: Path) -> list[Outcome]:
    """Return the tasks that there is nothing to download of, with what to do where their files are not here."""
    folder = DataFolder(data, Memory(Path())) if data.is_dir() else None
    return [
        Outcome(
            (task.name,), "", State.HERE if here else State.MISSING, task.licence, says="" if here else task.by_hand
        )
        for task in tasks
        if not task.downloads
        for here in [folder is not None and any(folder.has(task, split, task.languages[0]) for split in Split)]
    ]


def _fetched(job: Job, records: dict[str, Fetched], fetching: Fetching, watching: Watching) -> Outcome:
    download, data = job.download, fetching.data
    watching.begin(f"{', '.join(job.tasks)}: {PurePosixPath(urlsplit(download.url).path).name}")
    try:
        record = _record(job, records, fetching, watching)
    except FullDiskError:
        raise
    except FetchError as error:
        return Outcome(job.tasks, download.url, State.MISSING, job.licence, download.num_bytes, str(error))
    finally:
        watching.end()
    write_fetched(data, with_record(records, download.url, record))
    return Outcome(job.tasks, download.url, State.FETCHED, job.licence, record.bytes, _trust(record))


def _trust(record: Fetched) -> str:
    """Say how far what came was verified."""
    if record.trusted == PUBLISHED:
        return f"{in_bytes(record.bytes)}, SHA-256 as published"
    return f"{in_bytes(record.bytes)}, no SHA-256 is published: this one is trusted and recorded ({record.sha256})"


def _record(job: Job, records: dict[str, Fetched], fetching: Fetching, watching: Watching) -> Fetched:
    """Download, verify and unpack; return what to record."""
    download, data = job.download, fetching.data
    before = records.get(download.url)
    file = scratch_folder(data) / _scratch_name(download.url)
    received = transfer(_wanted(download, before, fetching.mirror), file, watching, fetching.patience)
    try:
        files = unpack(file, download, data, owned=_owned(job, records))
    except (FullDiskError, OccupiedError):
        raise  # what came is used by the next fetch
    except FetchError:
        file.unlink()
        raise
    file.unlink()
    return Fetched(
        tasks=tuple(sorted({*job.tasks, *(before.tasks if before else ())})),
        url=received.url,
        sha256=received.sha256,
        bytes=received.bytes,
        trusted=PUBLISHED if download.sha256 else FIRST_DOWNLOAD,
        time=utc(),
        licence=job.licence,
        files=files,
    )


def _owned(job: Job, records: dict[str, Fetched]) -> set[str]:
    """Return the files that a download may replace: those fetched for its tasks, from wherever they came then."""
    return {
        name
        for url, record in records.items()
        if record.trusted != IMPORTED and (url == job.download.url or not set(record.tasks).isdisjoint(job.tasks))
        for name in record.files
    }


def _wanted(download: Download, before: Fetched | None, mirror: str) -> Wanted:
    """Return what to download: as published, or where that is not known as the first time."""
    first = before if before and not download.sha256 else None
    sizes = (first.sha256, first.bytes) if first else (download.sha256, download.num_bytes)
    return Wanted(tuple(mirrored(url, mirror) for url in download.urls), sha256=sizes[0], num_bytes=sizes[1])


def mirrored(url: str, mirror: str) -> str:
    """Return the address of a URL's file at a mirror, which has a folder per host."""
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}" if mirror else url


def _scratch_name(url: str) -> str:
    """Return a file name for a URL that no other URL has."""
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{PurePosixPath(urlsplit(url).path).name}"
