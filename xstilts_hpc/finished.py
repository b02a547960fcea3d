"""Which runs are done, for many at once: commit records are read once, their products looked at every time."""

import os
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import Memory, digest_of
from xstilts_hpc.run import Request
from xstilts_hpc.run_folder import RunFolder, run_folder

_DIGITS = 16
# What is remembered of a record: whether it covers a request, and the size of each product.
_FORM = {"covers": bool, "products": {str: int}}
_RECORD = RunFolder(Path()).done_json.name


class Finished:
    """The commit records under a root. What a record commits is remembered as long as the record is the same file.

    10,000 records take 0.6 s to read from a local disk and far longer from a network's; a product that is missing or
    of another size is noticed all the same, for that is looked at each time.
    """

    def __init__(self, root: Path) -> None:
        """Load what earlier commands remembered."""
        self._root = root
        self._runs = str(run_folder(root, "").path)  # texts: pathlib takes as long as the disk
        self._memory = Memory(root / "cache" / "done.json")

    def done(self, run_id: str, request: Request) -> bool:
        """Say whether a run's commit record covers a request and its files are there, as RunFolder.done does."""
        beginning = f"{self._runs}{os.sep}{run_id}{os.sep}"
        try:
            found = os.stat(beginning + _RECORD)  # noqa: PTH116
        except OSError:
            return False
        asked = digest_of(request.to_json())[:_DIGITS]
        key = f"{run_id} {found.st_ino} {found.st_size} {found.st_mtime_ns} {asked}"
        fact = self._memory.recall(key, _FORM, lambda: self._read(run_id, request))
        return bool(fact["covers"]) and all(_has(beginning + path, size) for path, size in fact["products"].items())

    def save(self) -> None:
        """Remember what was read."""
        self._memory.save()

    def _read(self, run_id: str, request: Request) -> dict[str, Any]:
        try:
            products = run_folder(self._root, run_id).committed(request)
            return {"covers": True, "products": {product["path"]: product["bytes"] for product in products}}
        except (FileNotFoundError, RunError):
            return {"covers": False, "products": {}}  # a damaged record commits nothing: the run is done again


def _has(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size  # noqa: PTH116
    except (OSError, ValueError):  # ValueError: no path at all
        return False
