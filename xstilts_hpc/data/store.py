"""Encoded sets on disk, shared between runs: whoever needs one first writes it, the others wait and read."""

import logging
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import datasets

from xstilts_hpc.errors import DataError, LockError
from xstilts_hpc.files import fsync, partial_of
from xstilts_hpc.lease import hold, seems_held

logger = logging.getLogger(__name__)

# So long a process waits for another one to write a set; then it makes the set for itself. The largest training set of
# the study takes minutes on one core.
PATIENCE_S = 900.0
_LOOK_S = 0.2


def shared_table(folder: Path, make: Callable[[], Any], *, patience_s: float = PATIENCE_S) -> Any:
    """Return the Arrow table of a folder; where there is none, make it and write the folder as a whole.

    Of processes that need it at once, on one machine or several, one makes it and the others wait; not for one that
    died, and no longer than `patience_s`. A table that cannot be written is used from memory, which is logged.
    DataError where the folder cannot be read.
    """
    with ExitStack() as stack:
        _wait_for_turn(stack, folder, patience_s)
        if not folder.is_dir():
            table = make()
            if not _is_saved(folder, table):
                return table
    return _read(folder)


def _wait_for_turn(stack: ExitStack, folder: Path, patience_s: float) -> None:
    """Wait until the folder is there, or until it is this process's turn to write it."""
    lease, deadline_s = folder.with_name(f"{folder.name}.lease"), time.monotonic() + patience_s
    if folder.is_dir() or _is_held(stack, lease):
        return
    logger.info("%s: waiting for its writer, %s", folder, seems_held(lease) or "who is done now")
    while not folder.is_dir() and not _is_held(stack, lease):
        if time.monotonic() > deadline_s:
            logger.warning("%s: another process writes it, for %.0f s now; made here too", folder, patience_s)
            return
        time.sleep(_LOOK_S)


def _is_held(stack: ExitStack, lease: Path) -> bool:
    """Say whether this process is the one to write; where no lease can be written, every process is."""
    try:
        stack.enter_context(hold(lease))
    except LockError:
        return False
    except OSError as error:
        logger.warning("%s cannot be written (%s); other processes may encode the same set", lease, error)
    return True


def _is_saved(folder: Path, table: Any) -> bool:
    """Write a table as a whole, and say whether it is there; where another process was faster, its copy is kept."""
    partial = partial_of(folder)
    shutil.rmtree(partial, ignore_errors=True)  # of a process that died and had the same number
    datasets.disable_progress_bars()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset(datasets.table.InMemoryTable(table), fingerprint=folder.name).save_to_disk(str(partial))
        for path in (*partial.iterdir(), partial):
            fsync(path)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not folder.is_dir():
            logger.warning("%s cannot be written (%s): used from memory, the next run encodes it anew", folder, error)
            return False
    return True


def _read(folder: Path) -> Any:
    """Return the table of a folder, mapped into memory: processes of one machine share its pages."""
    try:
        return datasets.load_from_disk(str(folder)).with_format("arrow")[:]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder}: expected an encoded set, but it cannot be read ({error}); delete the folder, "
            "it is encoded again when needed"
        ) from error
