"""XTREME's machine translations of English training sets: where they are from, and how a data folder may hold them."""

from xstilts_hpc.tasks.base import Parser, Source, Split

XTREME_TRANSLATIONS = "https://console.cloud.google.com/storage/browser/xtreme_translations"


def translated(name: str, parse: Parser) -> tuple[Source, ...]:
    """Return the sources of a file of XTREME's bucket, copied with or without the folder of the bucket's name."""
    return tuple(Source(Split.TRANSLATED, (f"{folder}{name}",), parse) for folder in ("", "xtreme_translations/"))
