"""Take the files that are needed out of a download: whole files, and none outside the data folder."""

import gzip
import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

from xstilts_hpc.disk import check_room, disk_errors_are_clear
from xstilts_hpc.errors import FetchError
from xstilts_hpc.files import sha256_of, whole_file
from xstilts_hpc.tasks.download import Download
from xstilts_hpc.tasks.fetched import FetchedFile

_CHUNK = 1 << 20
# What a damaged archive makes the standard library raise, besides OSErrors without a number.
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, lzma.LZMAError, NotImplementedError)
_ENCRYPTED = 1  # a bit of a zip member's flags: PKWARE's APPNOTE.TXT, 4.4.4
_Member = tuple[str, IO[bytes]]


class OccupiedError(FetchError):
    """Where a file belongs is something that was not fetched; what was downloaded is in order."""


def unpack(file: Path, download: Download, data: Path, *, owned: Set[str]) -> dict[str, FetchedFile]:
    """Put the files of a download into a data folder; return what they are by path under it.

    A file that is there with other content is replaced only if it is `owned`: fetched before.
    """
    name = urlsplit(download.url).path
    with disk_errors_are_clear(data), _damage_is_an_error(download):
        if download.members:
            check_room(data, _zip_size(file, download) if name.endswith(".zip") else 0, download.to)
            members = _zip_members(file, download) if name.endswith(".zip") else _tar_members(file, download)
            files = {path: _put(path, source, data, owned) for path, source in members}
            _check_all(download, files)
            return files
        with file.open("rb") as raw:
            source = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if is_packed(download) else raw
            return {download.to: _put(download.to, source, data, owned)}


def is_packed(download: Download) -> bool:
    """Say whether a plain file comes compressed, and is not kept so."""
    return urlsplit(download.url).path.endswith(".gz") and not download.to.endswith(".gz")


@contextmanager
def _damage_is_an_error(download: Download) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise FetchError(f"{download.url}: the archive cannot be unpacked ({error}); fetch it again") from error


def _zip_size(file: Path, download: Download) -> int:
    with zipfile.ZipFile(file) as archive:
        return sum(info.file_size for info in archive.infolist() if _is_needed(info.filename, download))


def _zip_members(file: Path, download: Download) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if _is_needed(info.filename, download):
                mode = info.external_attr >> 16
                path = _checked(
                    info.filename, download, is_file=not info.is_dir() and stat.S_IFMT(mode) in (0, stat.S_IFREG)
                )
                if info.flag_bits & _ENCRYPTED:
                    raise FetchError(
                        f"{download.url}: the member {info.filename!r} is encrypted, expected a plain file; ask the "
                        "publisher how to get it, and bring it in with xstilts data import"
                    )
                with archive.open(info) as source:
                    yield path, source


def _tar_members(file: Path, download: Download) -> Iterator[_Member]:
    if not download.sha256 and urlsplit(download.url).path.endswith((".gz", ".tgz")):
        _check_gzip(file)
    with tarfile.open(file, "r|*") as archive:
        for info in archive:
            if _is_needed(info.name, download):
                path = _checked(info.name, download, is_file=info.isreg())
                source = archive.extractfile(info)
                assert source is not None, "a regular file has content"
                with source:
                    yield path, source


def _check_gzip(file: Path) -> None:
    """Read a file to its end, where its checksum is: tarfile does not look at that."""
    with gzip.open(file) as source:
        while source.read(_CHUNK):
            pass


def _is_needed(name: str, download: Download) -> bool:
    return any(_matches(name, pattern) for pattern in download.members)


def _matches(name: str, pattern: str) -> bool:
    """Say whether a member's name fits a pattern, part by part."""
    parts, wanted = name.removeprefix("./").split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _checked(name: str, download: Download, *, is_file: bool) -> str:
    """Return a member's path under the data folder; FetchError where it is no plain file, or would lie elsewhere."""
    parts = name.removeprefix("./").split("/")
    if not is_file:
        raise FetchError(
            f"{download.url}: the member {name!r} is a link or a device, expected a file; nothing of it is used"
        )
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise FetchError(f"{download.url}: the member {name!r} leads out of the folder; nothing of it is used")
    return "/".join(part for part in (download.to, *parts) if part)


def _put(path: str, source: IO[bytes], data: Path, owned: Set[str]) -> FetchedFile:
    """Write a file as a whole, and return what it is."""
    target = data / path
    if target.is_dir():
        raise OccupiedError(f"{target} is a folder, expected a file; move it away and fetch again")
    with whole_file(target) as partial:
        digest, size = hashlib.sha256(), 0
        with partial.open("wb") as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        file = FetchedFile(digest.hexdigest(), size)
        if path not in owned and target.exists() and sha256_of(target) != file.sha256:
            raise OccupiedError(
                f"{target} is there with other content, and was not fetched; move it away and fetch again, or keep it "
                "and do without this download"
            )
    return file


def _check_all(download: Download, files: dict[str, FetchedFile]) -> None:
    """Refuse an archive that lacks a member that is needed."""
    missing = lacking(download, files)
    if missing:
        raise FetchError(
            f"{download.url}: the archive has no {missing[0]} ({len(missing)} such); is it another release?"
        )


def lacking(download: Download, paths: Iterable[str]) -> list[str]:
    """Return what of a download is not among files, which have paths under the data folder: patterns of members."""
    prefix = f"{download.to}/" if download.to and download.members else ""
    names = [path.removeprefix(prefix) for path in paths]
    wanted = download.members or (download.to,)
    return [pattern for pattern in wanted if not any(_matches(name, pattern) for name in names)]
