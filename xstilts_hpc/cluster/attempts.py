"""What the records of attempts say, in short; read once and remembered, since there are many."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import Memory
from xstilts_hpc.run_folder import ATTEMPT, RunFolder, run_folder

Attempt = Mapping[str, Any]
_KEPT = (
    *("attempt", "start", "end", "cause", "host", "node", "pid", "job", "ranks", "profile"),
    *("from_step", "to_step", "decided", "again", "facts"),
)
_RECORDS = RunFolder(Path()).provenance(1).parent.name
_MOST_CHARACTERS = 300
# Records younger than this may still be written to, within one tick of the file system's clock.
_SETTLED_S = 10.0


class Attempts:
    """The attempts of the runs under a root, oldest first; those that have ended and settled are remembered."""

    def __init__(self, root: Path) -> None:
        """Load what earlier commands remembered."""
        self._root = root
        self._runs = str(run_folder(root, "").path)  # texts: pathlib takes as long as the disk
        self._memory = Memory(root / "cache" / "attempts.json")

    def of(self, run_id: str) -> list[Attempt]:
        """Return the attempts of a run, each with its `error` cut to its last line."""
        try:
            changed_ns = os.stat(f"{self._runs}{os.sep}{run_id}{os.sep}{_RECORDS}").st_mtime_ns  # noqa: PTH116
        except OSError:
            return []
        if time.time() - changed_ns / 1e9 < _SETTLED_S:
            return self._read(run_id)
        key = f"{run_id} {changed_ns}"
        # each record is renamed into its folder, so that the folder changes with it
        found: list[Attempt] = self._memory.recall(key, [ATTEMPT], lambda: self._read(run_id))
        return found

    def save(self) -> None:
        """Remember what was read."""
        self._memory.save()

    def _read(self, run_id: str) -> list[Attempt]:
        folder = run_folder(self._root, run_id)
        names = [path.name for path in folder.provenance(1).parent.glob("*.json")]
        numbers = sorted(int(name[:-5]) for name in names if name[:-5].isdigit())
        return [_short(folder, number, names) for number in numbers]


def is_open(attempt: Attempt) -> bool:
    """Say whether an attempt has no end on record."""
    return bool(attempt) and not attempt.get("end")


def last_line(text: str) -> str:
    """Return the last line of a text that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_MOST_CHARACTERS] if lines else ""


def _short(folder: RunFolder, number: int, names: Sequence[str]) -> Attempt:
    try:
        record = folder.attempt(number)
    except (RunError, FileNotFoundError):
        return {"attempt": number, "start": "", "end": "?", "cause": "", "error": "its record is damaged"}
    kept = {name: record[name] for name in _KEPT if name in record}
    return {**kept, "error": last_line(str(record.get("error") or "")), **_of_ranks(folder, number, names)}


def _of_ranks(folder: RunFolder, number: int, names: Sequence[str]) -> Attempt:
    """Return what other ranks than the main one wrote of their failure, the first to fail first."""
    if not any(name.startswith(f"{number}.rank") for name in names):
        return {}
    return {
        "ranks_failed": [[item.get("rank"), last_line(str(item.get("error")))] for item in folder.rank_failures(number)]
    }
