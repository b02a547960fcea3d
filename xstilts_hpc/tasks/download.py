"""What can be downloaded of a task: stated in the task's file, fetched by xstilts_hpc.fetch.

Sizes and digests are what huggingface/datasets recorded of the publishers' files (commit 040102f1,
datasets/*/dataset_infos.json, download_checksums); of files at a commit of a repository, they are those of that commit.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A file of a publisher: where it is, what it must be, and where it goes under the data folder.

    `urls` are tried in turn. `to` is the path of a plain file (a `.gz` is unpacked to it); of an archive the folder
    that its `members` go into, under the names they have in it ("*" in a member stands for anything but a slash, and
    each must be there). `sha256` and `num_bytes` are of the file at the URL, "" and 0 where nobody has published
    them: then the first download is trusted, recorded, and what is downloaded later must equal it.
    """

    urls: tuple[str, ...]
    to: str
    members: tuple[str, ...] = ()
    sha256: str = ""
    num_bytes: int = 0

    @property
    def url(self) -> str:
        """Return the publisher's own URL, which names the download."""
        return self.urls[0]


@dataclass(frozen=True)
class HubFiles:
    """A task's copy on the Hugging Face hub: the data set's id and the configurations that are needed.

    Its parquet files go to `hub/<owner>--<name>/<configuration>/` under the data folder.
    """

    id: str
    configurations: tuple[str, ...]


def same_place(*bases: str, folder: str, files: str) -> tuple[Download, ...]:
    """Return plain files that lie side by side at a URL, and at mirrors of it, and go into one folder.

    `files` has a line per file: name, bytes and SHA-256.
    """
    rows = map(str.split, files.strip().splitlines())
    return tuple(
        Download(tuple(base + name for base in bases), f"{folder}/{name}", sha256=digest, num_bytes=int(size))
        for name, size, digest in rows
    )
