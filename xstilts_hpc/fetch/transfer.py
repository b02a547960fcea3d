"""Download one file: resumed by ranges, tried again after passing failures, from mirrors in turn, verified."""

import hashlib
import re
import time
from dataclasses import asdict, dataclass, field
from http.client import HTTPResponse
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

from xstilts_hpc.disk import check_room, disk_errors_are_clear
from xstilts_hpc.errors import FetchError, RunError
from xstilts_hpc.fetch.connection import LastingError, PassingError, RangeError, host_of, open_url, read_some
from xstilts_hpc.files import fsync, read_json, sha256_of, write_json

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """A file to download: where it may be had, and what is known of it ("" and 0: nothing).

    `git_sha1` is how git names the content, the only digest that the hub states of small files.
    """

    urls: tuple[str, ...]
    num_bytes: int = 0
    sha256: str = ""
    git_sha1: str = ""

    @property
    def is_known(self) -> bool:
        """Say whether a digest tells the right file from a wrong one."""
        return bool(self.sha256 or self.git_sha1)


@dataclass(frozen=True)
class Received:
    """A file that was downloaded and verified."""

    url: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Patience:
    """How often a URL is tried without getting on, how long to wait between (twice as long each time), and for data.

    A host that did not serve a file to the end of patience is `exhausted`: from then on it is asked once for a file,
    and has `brief_s` to answer in: a network that drops what it is sent would cost minutes a file.
    """

    tries: int = 5
    wait_s: float = 1.0
    longest_wait_s: float = 60.0
    silence_s: float = 60.0
    brief_s: float = 5.0
    exhausted: set[str] = field(default_factory=set)


class Watcher(Protocol):
    """Who shows how a download goes on."""

    def grown(self, num_bytes: int, total: int) -> None:
        """Take notice of the bytes that are on disk, of so many (0: unknown)."""

    def says(self, text: str) -> None:
        """Tell the user something."""


class Unwatched:
    """Shows nothing; implements `Watcher`."""

    def grown(self, num_bytes: int, total: int) -> None:
        """Take no notice."""

    def says(self, text: str) -> None:
        """Tell nobody."""


@dataclass(frozen=True)
class _Source:
    """What the bytes on disk are of: the URL, and what tells whether the file there is still the same."""

    url: str
    etag: str
    modified: str
    total: int

    @property
    def validator(self) -> str:
        """Return what If-Range takes: a strong tag, or a date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def transfer(wanted: Wanted, target: Path, watcher: Watcher, patience: Patience) -> Received:
    """Download a file to `target` from the first URL that gives it; FetchError says what each of them answered.

    It grows in `<target>.partial`, which stays when the transfer is interrupted, and is gone on with by the next one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and wanted.is_known and not _difference(wanted, target):
        return Received(wanted.urls[0], sha256_of(target), target.stat().st_size)
    failures = []
    for url, following in zip_longest(wanted.urls, wanted.urls[1:], fillvalue=""):
        try:
            return _from_url(url, wanted, target, watcher, patience)
        except LastingError as error:
            failures.append(f"  {url}: {error}")
            if following:
                watcher.says(f"{url}: {error}; now from {following}")
    raise FetchError(f"{target.name} could not be downloaded:\n" + "\n".join(failures))


def _from_url(url: str, wanted: Wanted, target: Path, watcher: Watcher, patience: Patience) -> Received:
    failed, host = 0, host_of(url)
    growing = _Growing(target)
    while True:
        before, resumed = growing.size, growing.size > 0
        try:
            given_up = host in patience.exhausted
            silence_s = min(patience.silence_s, patience.brief_s) if given_up else patience.silence_s
            _grow(url, wanted, growing, watcher, silence_s)
            patience.exhausted.discard(host)
            return _verified(url, wanted, growing)
        except PassingError as error:
            failed = 1 if growing.size > before else failed + 1
            if failed >= (1 if given_up else patience.tries):
                patience.exhausted.add(host)
                raise LastingError(f"{error} (tried {failed} times)") from error
            wait_s = min(max(error.wait_s, patience.wait_s * 2 ** (failed - 1)), patience.longest_wait_s)
            watcher.says(f"{url}: {error}; again in {wait_s:g} s")
            time.sleep(wait_s)
        except _WrongFileError as error:
            growing.drop()
            if not resumed:
                raise LastingError(str(error)) from error
            watcher.says(f"{url}: {error}; it had been resumed, so it is downloaded anew")


class _WrongFileError(Exception):
    """All bytes came, but they are not the file that was expected."""


class _Growing:
    """The bytes that are on disk so far, and what they are of."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".partial")
        self._note = target.with_name(target.name + ".partial.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def source(self) -> _Source | None:
        """Return what the bytes are of, None where that is not known."""
        try:
            return _Source(**read_json(self._note)) if self._note.is_file() else None
        except (RunError, TypeError):
            return None

    def begin(self, source: _Source) -> None:
        """Start anew with the bytes of a source."""
        self.drop()
        write_json(self._note, asdict(source))
        self.path.touch()

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self) -> None:
        fsync(self.path)
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)


def _grow(url: str, wanted: Wanted, growing: _Growing, watcher: Watcher, silence_s: float) -> None:
    """Bring the rest of a file, or all of it where what is on disk is not known to be its beginning."""
    source = _resumable(url, wanted, growing)
    if source and source.total and growing.size == source.total:
        return
    headers = {}
    if source:
        headers["Range"] = f"bytes={growing.size}-"
        if source.validator:
            headers["If-Range"] = source.validator
    try:
        answer = open_url(url, headers, silence_s=silence_s)
    except RangeError as error:
        if str(error) == f"bytes */{growing.size}":
            return
        growing.drop()
        raise PassingError("has another file now than the one begun") from error
    with answer, disk_errors_are_clear(growing.path.parent):
        total = _total(url, answer, wanted, growing, source)
        check_room(growing.path.parent, total - growing.size, growing.target.name)
        _write_rest(answer, growing, total, watcher, silence_s)


def _resumable(url: str, wanted: Wanted, growing: _Growing) -> _Source | None:
    """Return what the bytes on disk are of, if they may be the beginning of what the URL gives."""
    source = growing.source()
    if source is None or not growing.size:
        return None
    # A file with a known digest may even be gone on with from a mirror: it is verified at the end.
    if source.url == url and (source.validator or wanted.is_known):
        return source
    return _Source(url, "", "", source.total) if wanted.is_known else None


def _total(url: str, answer: HTTPResponse, wanted: Wanted, growing: _Growing, source: _Source | None) -> int:
    """Return the size of the whole file (0: unknown); start anew unless the answer goes on where the disk ends."""
    new = _described(url, answer, growing)
    if wanted.num_bytes and new.total and new.total != wanted.num_bytes:
        raise LastingError(f"has a file of {new.total:,} bytes, expected {wanted.num_bytes:,}")
    if "text/html" in answer.headers.get("Content-Type", "") and not wanted.is_known:
        raise LastingError("answers with a web page, not with the file (a login page of the network or the publisher?)")
    if not (new.total or answer.chunked or wanted.is_known or wanted.num_bytes):
        raise LastingError("does not say where the file ends, so half of it would look like all of it")
    if answer.status != 206:
        growing.begin(new)
    elif source is None or _start(answer) != growing.size or _is_other(new, source):
        growing.drop()
        raise PassingError("answers with another part, or of another file, than was asked for")
    return new.total


def _described(url: str, answer: HTTPResponse, growing: _Growing) -> _Source:
    length = answer.length or 0
    whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    total = int(whole[1]) if whole else length + (growing.size if answer.status == 206 and length else 0)
    etag, modified = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    return _Source(url, etag, modified, total)


def _start(answer: HTTPResponse) -> int:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _is_other(new: _Source, old: _Source) -> bool:
    """Say whether two answers are known to be of different files."""
    pairs = ((new.etag, old.etag), (new.modified, old.modified), (new.total, old.total))
    return any(first and second and first != second for first, second in pairs)


def _write_rest(answer: HTTPResponse, growing: _Growing, total: int, watcher: Watcher, silence_s: float) -> None:
    size = growing.size
    watcher.grown(size, total)
    with growing.path.open("ab") as file:
        while chunk := read_some(answer, _CHUNK, silence_s=silence_s):
            file.write(chunk)
            size += len(chunk)
            watcher.grown(size, total)
    if size < total:
        raise PassingError(f"the connection ended after {size:,} of {total:,} bytes")


def _verified(url: str, wanted: Wanted, growing: _Growing) -> Received:
    """Return what was received, moved to its place; a _WrongFileError where it is not what was expected."""
    difference = _difference(wanted, growing.path)
    if difference:
        raise _WrongFileError(f"gave {difference}")
    received = Received(url, sha256_of(growing.path), growing.size)
    growing.finish()
    return received


def _difference(wanted: Wanted, path: Path) -> str:
    """Return what a file is instead of what is known of it, "" where it is that."""
    size = path.stat().st_size
    if wanted.num_bytes and size != wanted.num_bytes:
        return f"{size:,} bytes, expected {wanted.num_bytes:,}"
    if wanted.sha256 and (found := sha256_of(path)) != wanted.sha256:
        return f"a file with SHA-256 {found}, expected {wanted.sha256}"
    if wanted.git_sha1 and (found := _git_sha1(path)) != wanted.git_sha1:
        return f"a file that git names {found}, expected {wanted.git_sha1}"
    return ""


def _git_sha1(path: Path) -> str:
    """Return git's name of a file's content: the SHA-1 of a header and the bytes; no protection, but what is stated."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
