"""The publishers' archives in small, made of the shared data, on a site of this machine."""

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from tests.fetch.archives import sha256, tar_of, zip_of
from tests.fetch.site import Site
from xstilts_hpc.languages import LANGUAGES
from xstilts_hpc.tasks.base import Task
from xstilts_hpc.tasks.download import Download

# Where the shared data name a file otherwise than the publishers' archives: BUCC in XTREME's names, TyDiQA by codes.
_OTHERWISE = [
    ("anli_v0.1/", "anli_v1.0/"),
    ("squad/train-v2.0", "squad_v2/train-v2.0"),
    ("squad/dev-v2.0", "squad_v2/dev-v2.0"),
    ("pmb-4.0.0/", "intermediate/ccg/pmb-4.0.0/"),
    *((f"bucc2018/{code}-en/{code}-en.sample", f"bucc2018/{code}-en.dev") for code in ("de", "fr", "ru", "zh")),
    *((f"goldp-dev-{found.name.lower()}.json", f".goldp.{found.code}.dev.json") for found in LANGUAGES.values()),
    ("tydiqa-.goldp", "tydiqa.goldp"),
]


def publish(task: Task, shared_data: Path, site: Site, folder: Path) -> Task:
    """Return a task whose downloads are on the site: those of which the shared data have at least a part."""
    found = (_published(download, shared_data, site, folder) for download in task.downloads)
    return replace(task, downloads=tuple(download for download in found if download))


def _published(download: Download, shared_data: Path, site: Site, folder: Path) -> Download | None:
    members = dict(_members(download, shared_data))
    if not members:
        return None
    content = next(iter(members.values())) if not download.members else _archive(download, members, folder)
    path = "/" + download.url.partition("://")[2]
    site.put(path, content)
    known = {"sha256": sha256(content), "num_bytes": len(content)} if download.sha256 else {}
    here = tuple(pattern for pattern in download.members if any(fnmatchcase(name, pattern) for name in members))
    return replace(download, urls=(site.url + path,), members=here, **{"sha256": "", "num_bytes": 0, **known})


def _members(download: Download, shared_data: Path) -> Iterator[tuple[str, bytes]]:
    for pattern in download.members or (download.to,):
        wanted = pattern
        for theirs, ours in _OTHERWISE:
            wanted = wanted.replace(theirs, ours)
        treebank = wanted.rpartition("/")[2] if "UD_*" in wanted else wanted
        for path in sorted(shared_data.glob(f"**/{treebank}")):
            yield (
                (pattern.replace("UD_*", "UD_X-Y").rpartition("/")[0] + f"/{path.name}", path.read_bytes())
                if ("UD_*" in pattern)
                else (pattern, path.read_bytes())
            )


def _archive(download: Download, members: dict[str, bytes], folder: Path) -> bytes:
    path = folder / Path(urlsplit(download.url).path).name
    return (zip_of if path.suffix == ".zip" else tar_of)(path, members).read_bytes()
