"""The logs of a run, found by the run's name and followed through requeues."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from xstilts_hpc.causes import RULES, Cause
from xstilts_hpc.cluster.submission import submissions
from xstilts_hpc.errors import RunError
from xstilts_hpc.next_command import within
from xstilts_hpc.run_folder import RunFolder, run_folder

_POLL_S = 0.5
_PIECE = 1 << 16
# After the last attempt has ended its log may still grow by what Slurm and the interpreter say.
_LINGER_S = 2.0
# So long after the end of an attempt that may be requeued the decision is on record.
_DECISION_S = 30.0
_LOOK_S = 5.0


def log_of(run_id: str, root: Path, rank: int = 0) -> Path:
    """Return the newer of the logs that Slurm and this machine's pool wrote of a run's process."""
    own = run_folder(root, run_id).log  # all processes of the pool write to this one
    slurms = [submission.log(run_id, rank) for submission in submissions(root) if run_id in submission.elements]
    paths = [path for path in (own, *slurms) if path.is_file()]
    return max(paths, key=lambda path: path.stat().st_mtime, default=own)


def follow(run_id: str, root: Path, *, on: bool, write: Callable[[str], None], rank: int = 0) -> Path:
    """Write a run's log and, with `on`, what is added to it until the run has ended for good; return its path.

    A requeued run goes on in the same file; one that was submitted again in another, which is followed then. A file
    that was replaced or cut is read from its beginning.
    """
    path = log_of(run_id, root, rank)
    if not path.is_file():
        raise RunError(_no_log(run_id, root, rank))
    file, looked_s = path.open("rb"), time.monotonic()
    try:
        while True:
            _copy(file, write)
            if not on or _ended(run_folder(root, run_id)):
                return path
            time.sleep(_POLL_S)
            newer, looked_s = _look_again(path, looked_s, lambda: log_of(run_id, root, rank))
            if newer != path or _was_replaced(file, path):
                _copy(file, write)
                file.close()
                path, file = newer, newer.open("rb")
    finally:
        file.close()


def _copy(file: BinaryIO, write: Callable[[str], None]) -> None:
    while piece := file.read(_PIECE):
        write(piece.decode("utf-8", "replace"))


def _was_replaced(file: BinaryIO, path: Path) -> bool:
    """Say whether another file has a log's name now, or the same one has lost what was read of it."""
    mine = os.fstat(file.fileno())
    try:
        now = path.stat()
    except FileNotFoundError:
        return False  # it may come again
    return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino) or now.st_size < file.tell()


def _look_again(path: Path, looked_s: float, find: Callable[[], Path]) -> tuple[Path, float]:
    """Return where the log is now, and when that was found out: reading all submissions takes its time."""
    return (path, looked_s) if time.monotonic() - looked_s < _LOOK_S else (find(), time.monotonic())


def _ended(folder: RunFolder) -> bool:
    """Say whether a run has ended and will not start again by itself, as far as its records tell."""
    attempts = folder.attempts()
    if not attempts or not attempts[-1].get("end"):
        return False
    last, cause = attempts[-1], str(attempts[-1].get("cause"))
    if "again" in last:
        return not last["again"] and _age_s(folder) > _LINGER_S
    in_slurm = "SLURM_JOB_ID" in (last.get("job") or {})
    undecided = in_slurm and cause in set(Cause) and RULES[Cause(cause)].budget > 0
    return _age_s(folder) > (_DECISION_S if undecided else _LINGER_S)


def _age_s(folder: RunFolder) -> float:
    changed_s = max((path.stat().st_mtime for path in folder.provenance(1).parent.glob("*.json")), default=0.0)
    return time.time() - changed_s


def _no_log(run_id: str, root: Path, rank: int) -> str:
    if rank and log_of(run_id, root).is_file():
        return f"run {run_id} has no log of rank {rank}; leave --rank away for that of rank 0"
    return within(f"run {run_id} has no log yet; `xstilts why {run_id}` says where it stands", root)
