"""XTREME's machine translations of English training sets: where they are from, and how a data folder may hold them."""

from xstilts_hpc.tasks.base import Parser, Source, Split
from xstilts_hpc.tasks.download import Download

XTREME_TRANSLATIONS = "https://console.cloud.google.com/storage/browser/xtreme_translations"
_BUCKET = "https://storage.googleapis.com/xtreme_translations/"


def translated(name: str, parse: Parser) -> tuple[Source, ...]:
    """Return the sources of a file of XTREME's bucket, copied with or without the folder of the bucket's name."""
    return tuple(Source(Split.TRANSLATED, (f"{folder}{name}",), parse) for folder in ("", "xtreme_translations/"))


def downloads_of(name: str, files: str) -> dict[str, Download]:
    """Return the downloads of a file of XTREME's bucket by language; `files` has a line each: code, bytes, SHA-256."""
    rows = map(str.split, files.strip().splitlines())
    return {code: _download(name.format(language=code), int(size), digest) for code, size, digest in rows}


def _download(name: str, num_bytes: int, sha256: str) -> Download:
    return Download((_BUCKET + name,), f"xtreme_translations/{name}", sha256=sha256, num_bytes=num_bytes)
