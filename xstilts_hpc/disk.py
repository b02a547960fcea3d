"""Room on the disk: looked at before bytes come, and clear errors where it ends or may not be used."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xstilts_hpc.errors import FetchError

# The disk, or a quota, is full.
FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM = (*FULL, errno.EFBIG)  # or a file may not become larger
_NOT_YOURS = (errno.EACCES, errno.EPERM, errno.EROFS)
_REFUSED = (*_NOT_YOURS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ELOOP)


class FullDiskError(FetchError):
    """The disk or a quota is full; what was written stays."""


def check_room(folder: Path, num_bytes: int, what: str) -> None:
    """Raise FullDiskError where less is free than is to come."""
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise FullDiskError(
            f"{folder}: {num_bytes:,} bytes of {what} are to come, but only {free:,} are free; make room and fetch "
            "again: what is there is gone on with"
        )


def in_words(error: OSError) -> str:
    """Return what the system refused as one message: where, why, and what to do where that is known."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in _NO_ROOM:
        return (
            f"{where}the disk (or a quota) is full; make room, `xstilts clean GRID` says what may go, and repeat the "
            "command: nothing half-written counts"
        )
    reason = error.strerror or str(error)
    if error.errno in _NOT_YOURS:
        return f"{where}{reason}; this user may not do so there: mend the permissions, or use a --root of your own"
    return where + reason


@contextmanager
def disk_errors_are_clear(folder: Path) -> Iterator[None]:
    """Turn a full disk or quota into a FullDiskError (what was written stays), and a refusal into a FetchError."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise FullDiskError(
                f"{folder}: the disk (or a quota) is full; make room and repeat the command: what is there is gone on "
                "with"
            ) from error
        if error.errno in _REFUSED:
            raise FetchError(
                f"{folder}: cannot be written to ({error.strerror}: {error.filename}); use a folder of your own"
            ) from error
        raise
