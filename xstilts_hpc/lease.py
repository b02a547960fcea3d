"""A lease: one holder at a time of a run, or of a grid's submissions; taken over only from a holder that is gone."""

import json
import os
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xstilts_hpc.clock import utc
from xstilts_hpc.errors import LockError

# A holder shows that it lives by touching its file. Its clock is never compared with ours: whoever finds a holder of
# another machine watches for so long whether the file changes.
BEAT_S = 10.0
SILENT_S = 2.5 * BEAT_S
# Who only looks, and cannot watch, believes in a holder of another machine whose file is younger than this.
_FRESH_S = 600.0
_LOOK_S = 0.5
_LOOKS = 10
# Whoever may look into the folder may read who holds the lease, whatever the umask.
_MODE = 0o644


class HeldError(LockError):
    """Another process holds a lease, and lives."""


class LeaseLostError(LockError):
    """This process no longer holds what it works on: another took it over, so it must write nothing more."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: the process, told apart from a later one of the same number by its start and the boot."""

    host: str
    boot: str
    pid: int
    born: int
    time: str
    job: str = ""

    def __str__(self) -> str:
        """Name the holder in a message."""
        return f"process {self.pid} on {self.host} since {self.time}" + (f", job {self.job}" if self.job else "")


# The holder of a lease that cannot be read: somebody, as long as the file gives signs of life.
UNKNOWN = Holder("?", "", 0, 0, "?")


@dataclass(frozen=True)
class Lease:
    """A lease that this process holds."""

    path: Path
    holder: Holder

    def is_held(self) -> bool:
        """Say whether the lease is still this process's own."""
        found = _read(self.path)
        for _ in range(_LOOKS):  # a network file system may fail for a moment
            if found != UNKNOWN:
                break
            time.sleep(_LOOK_S)
            found = _read(self.path)
        return found == self.holder

    def check(self) -> None:
        """Raise LeaseLostError where another process took the lease over: ours was taken for dead."""
        if not self.is_held():
            raise LeaseLostError(
                f"{self.path} is no longer held by this process ({_read(self.path) or 'it was removed'}); "
                "it leaves without writing anything more"
            )


@contextmanager
def hold(path: Path, *, silent_s: float = SILENT_S) -> Iterator[Lease]:
    """Hold a lease; HeldError where another process holds it and lives.

    A holder of this machine lives if its process does; one of another machine if its file changes within `silent_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = Lease(path, _me())
    if not _create(lease):
        found = _read(path)
        if found and _lives(path, found, silent_s):
            raise _held(path, found)
        _take_away(path, found)
        if not _create(lease):
            raise _held(path, _read(path))
    ended = threading.Event()
    with path.open("rb") as file:  # beats touch this very file, never one that took its place
        beats = threading.Thread(target=_beat, args=(file.fileno(), ended), daemon=True)
        beats.start()
        try:
            yield lease
        finally:
            ended.set()
            beats.join()
            if lease.is_held():
                path.unlink(missing_ok=True)


def seems_held(path: Path) -> Holder | None:
    """Return who holds a lease as far as one look tells, None where nobody does or the holder is gone.

    A holder of another machine, or of another boot of this one, counts if its file is fresh.
    """
    holder = _read(path)
    if not holder or is_gone(holder):
        return None
    me = _me()
    if (holder.host, holder.boot) == (me.host, me.boot):
        return holder
    return holder if time.time() - _sign(path)[1] / 1e9 < _FRESH_S else None


def is_gone(holder: Holder) -> bool:
    """Say whether a holder is known to be gone: a process of this machine that ended."""
    me = _me()
    return (holder.host, holder.boot) == (me.host, me.boot) and _born(holder.pid) != holder.born


def _me() -> Holder:
    return Holder(
        socket.gethostname(), _boot(), os.getpid(), _born(os.getpid()), utc(), os.environ.get("SLURM_JOB_ID", "")
    )


def _boot() -> str:
    """Return what tells this boot of the machine from others, "" where the system does not say."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""


def _born(pid: int) -> int:
    """Return the start of a process in clock ticks since the boot, 0 where there is no such process (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int) -> bool:
    """Say whether a process of this machine lives."""
    return _born(pid) > 0


def _create(lease: Lease) -> bool:
    """Create the file complete with its text: a link appears whole, and fails where the name is taken."""
    draft = lease.path.with_name(f"{lease.path.name}.{lease.holder.host}.{lease.holder.pid}")
    try:
        draft.write_text(json.dumps(asdict(lease.holder)), encoding="utf-8")
        draft.chmod(_MODE)
        lease.path.hardlink_to(draft)
    except FileExistsError:
        return _read(lease.path) == lease.holder and draft.stat().st_nlink > 1  # NFS may answer a repeated request so
    finally:
        draft.unlink(missing_ok=True)
    return True


def _read(path: Path) -> Holder | None:
    """Return the holder of a lease, None where there is none, UNKNOWN where it cannot be read."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError):
        return UNKNOWN


def _lives(path: Path, holder: Holder, silent_s: float) -> bool:
    me = _me()
    if (holder.host, holder.boot) == (me.host, me.boot):
        return not is_gone(holder)
    seen, deadline = _sign(path), time.monotonic() + silent_s
    while time.monotonic() < deadline:
        time.sleep(min(_LOOK_S, silent_s))
        if _sign(path) != seen:
            return _read(path) is not None  # released meanwhile: nobody lives there
    return False


def _sign(path: Path) -> tuple[int, int]:
    """Return what a beat changes; opening the file makes network file systems ask the server."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
    except FileNotFoundError:
        return 0, 0
    except OSError:
        found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _take_away(path: Path, seen: Holder | None) -> None:
    """Remove the file of a holder that is gone; put it back if it was renewed meanwhile."""
    taken = path.with_name(f"{path.name}.stale.{socket.gethostname()}.{os.getpid()}")
    try:
        path.rename(taken)
    except FileNotFoundError:
        return
    if _read(taken) != seen and not path.exists():
        taken.rename(path)
    else:
        taken.unlink()


def _beat(descriptor: int, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        with suppress(OSError):  # the next one may succeed; check() finds out whether the lease is still ours
            os.utime(descriptor)


def _held(path: Path, holder: Any) -> HeldError:
    who = str(holder) if holder else "another process"
    return HeldError(
        f"{path} is held by {who}; wait for it, or if it is gone, remove the file: rm {shlex.quote(str(path))}"
    )
