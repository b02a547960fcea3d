"""The Hugging Face hub over plain HTTPS: which files a repository has at a revision, and their digests."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from xstilts_hpc.errors import FetchError
from xstilts_hpc.fetch.transfer import Patience, Unwatched, Wanted, transfer
from xstilts_hpc.files import MALFORMED
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.download import Download, HubFiles

# The hub's own copy of a data set as parquet, a folder per configuration and split.
_CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True)
class HubFile:
    """A file of a repository; large ones have a SHA-256, small ones only git's name of their content."""

    path: str
    num_bytes: int
    sha256: str
    git_sha1: str


@dataclass(frozen=True)
class Repository:
    """A repository of models or data sets, at one commit."""

    kind: str
    id: str
    commit: str
    files: tuple[HubFile, ...]

    def url(self, file: HubFile) -> str:
        """Return where a file is at this commit."""
        folder = "" if self.kind == "models" else f"{self.kind}/"
        return f"{endpoint()}/{folder}{self.id}/resolve/{self.commit}/{quote(file.path)}"


def endpoint() -> str:
    """Return the hub's address: HF_ENDPOINT, as the hub's own client reads it."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def repository(kind: str, name: str, revision: str, patience: Patience) -> Repository:
    """Ask the hub what a repository holds at a revision; kind is `models` or `datasets`."""
    url = f"{endpoint()}/api/{kind}/{name}/revision/{quote(revision, safe='')}?blobs=true"
    try:
        with TemporaryDirectory() as folder:
            answer = Path(folder) / "answer.json"
            transfer(Wanted((url,)), answer, Unwatched(), patience)
            value = json.loads(answer.read_bytes())
        found = Repository(kind, name, str(value["sha"]), tuple(map(_file, value["siblings"])))
    except FetchError as error:
        raise FetchError(
            f"{kind}/{name} cannot be looked up on the hub: {error}\nis the id right, is {revision!r} a revision of "
            "it, and may everybody read it? (what needs a login: hf download, of huggingface_hub)"
        ) from error
    except MALFORMED as error:
        raise FetchError(f"{url}: not an answer of the hub ({error!r}); check HF_ENDPOINT") from error
    if not re.fullmatch(r"[0-9a-f]{40}", found.commit):
        raise FetchError(f"{url}: expected a commit, got {found.commit!r}; check HF_ENDPOINT")
    return found


def _file(sibling: dict[str, Any]) -> HubFile:
    large = sibling.get("lfs") or {}
    size = int(large.get("size") or sibling.get("size") or 0)
    sha256, git_sha1 = large.get("sha256") or "", "" if large else sibling.get("blobId") or ""
    # They become names of files in the cache.
    if not (re.fullmatch(r"([0-9a-f]{64})?", sha256) and re.fullmatch(r"([0-9a-f]{40})?", git_sha1)):
        raise ValueError(f"{sibling['rfilename']!r} has the digest {sha256 or git_sha1!r}")
    return HubFile(str(sibling["rfilename"]), size, sha256, git_sha1)


def with_hub_files(task: Task, patience: Patience | None = None) -> Task:
    """Return a task whose downloads are the parquet files of the hub, as they are there today.

    A task without a copy on the hub, or one that the hub does not give, has none, and says so in `by_hand`.
    """
    try:
        return _from_hub(task, patience or Patience())
    except FetchError as error:
        return replace(task, downloads=(), by_hand=str(error))


def _from_hub(task: Task, patience: Patience) -> Task:
    if not task.hub:
        return replace(
            task, downloads=(), by_hand=task.by_hand or f"no copy on the hub is read; get it from {task.origin}"
        )
    found = [download for copy in task.hub for download in _parquet(copy, patience)]
    return replace(task, downloads=tuple(found))


def _parquet(copy: HubFiles, patience: Patience) -> Iterator[Download]:
    """Yield the parquet files of each configuration: the repository's own, else those that the hub has converted."""
    own = repository("datasets", copy.id, "main", patience)
    converted = None
    for configuration in copy.configurations:
        files = _own_files(own, configuration, alone=len(copy.configurations) == 1)
        source = own
        if not files:
            source = converted = converted or repository("datasets", copy.id, _CONVERTED, patience)
            files = _converted_files(converted, configuration)
        if not files:
            raise FetchError(
                f"{copy.id} has no parquet files of {configuration!r} on the hub, neither on main nor converted"
            )
        for name, file in files.items():
            to = f"hub/{copy.id.replace('/', '--')}/{configuration}/{name}"
            yield Download((source.url(file),), to, sha256=file.sha256, num_bytes=file.num_bytes)


def _own_files(source: Repository, configuration: str, *, alone: bool) -> dict[str, HubFile]:
    """Return the files `<split>-*` of a folder of the configuration's name, or of `data` where it is the only one."""
    folders = (configuration, "data") if alone else (configuration,)
    for folder in folders:
        found = {
            file.path.removeprefix(f"{folder}/"): file
            for file in source.files
            if re.fullmatch(rf"{re.escape(folder)}/[^/-]+-[^/]+\.parquet", file.path)
        }
        if found:
            return found
    return {}


def _converted_files(source: Repository, configuration: str) -> dict[str, HubFile]:
    """Return the files of `<configuration>/<split>/0000.parquet` under the names `<split>-0000.parquet`."""
    parts = {
        file: re.fullmatch(rf"{re.escape(configuration)}/([^/]+)/([^/]+\.parquet)", file.path) for file in source.files
    }
    return {f"{found[1]}-{found[2]}": file for file, found in parts.items() if found}
