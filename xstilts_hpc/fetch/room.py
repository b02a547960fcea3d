"""Room on the disk: looked at before bytes come, and a clear error where it ends all the same."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xstilts_hpc.errors import FetchError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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


@contextmanager
def full_disk_is_an_error(folder: Path, what: str) -> Iterator[None]:
    """Turn what the system says of a full disk or a quota into a FullDiskError; what was written stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise FullDiskError(
            f"{folder}: the disk (or a quota) is full while {what} is written; make room and fetch again: "
            "what is there is gone on with"
        ) from error
