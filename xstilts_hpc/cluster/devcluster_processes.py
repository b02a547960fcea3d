"""Processes of a throw-away cluster: told apart by pid and start time, so that a reused pid is never hit."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process for ever: pids come again, but not with the same start time (in clock ticks since boot)."""

    pid: int
    start_ticks: int


@dataclass(frozen=True)
class Stat:
    """What /proc says of a process."""

    state: str
    parent: int
    session: int
    start_ticks: int


def read_stat(pid: int) -> Stat:
    """Read /proc/PID/stat; raise OSError when there is no such process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # the name before may hold anything
    return Stat(state=fields[0], parent=int(fields[1]), session=int(fields[3]), start_ticks=int(fields[19]))


def identify(pid: int) -> Process:
    """Return the process that has this pid now."""
    return Process(pid, read_stat(pid).start_ticks)


def alive(process: Process) -> bool:
    """Tell whether this very process still runs; a zombie does not."""
    try:
        stat = read_stat(process.pid)
    except OSError:
        return False
    return stat.state not in "ZX" and stat.start_ticks == process.start_ticks


def write_process(path: Path, process: Process) -> None:
    """Note a process in a file."""
    path.write_text(f"{process.pid} {process.start_ticks}\n")


def read_process(path: Path) -> Process:
    """Read what write_process wrote."""
    pid, start_ticks = path.read_text().split()
    return Process(int(pid), int(start_ticks))


def until(condition: Callable[[], bool], *, limit_s: float) -> bool:
    """Wait for a condition; tell whether it came true in time."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.03)
    return True


def send(process: Process, number: signal.Signals) -> None:
    """Signal this very process, or nobody."""
    if alive(process):
        os.kill(process.pid, number)


def end(process: Process, *, patience_s: float = 10) -> None:
    """End a process gently, then by force."""
    send(process, signal.SIGTERM)
    if not until(lambda: not alive(process), limit_s=patience_s):
        send(process, signal.SIGKILL)
        until(lambda: not alive(process), limit_s=patience_s)


def end_steps(spool: Path) -> None:
    """Kill the step daemons of a node and all they started: they outlive their slurmd, which only a dead node stops."""
    until(lambda: not _kill_at_once(_step_daemons(spool)), limit_s=5)


def _kill_at_once(daemons: set[int]) -> int:
    """Kill processes with all they started, and return how many there were.

    All are stopped before the first is killed: as on a dead node, none sees another die, reports it or acts on it. The
    youngest are killed first, since the kernel wakes a stopped child by SIGHUP when its parent ends.
    """
    family = set[Process]()
    while new := {process for process in _families(daemons) - family if alive(process)}:
        for process in new:
            send(process, signal.SIGSTOP)
        family |= new
    for process in sorted(family, key=lambda process: (process.start_ticks, process.pid), reverse=True):
        send(process, signal.SIGKILL)
    return len(family)


def _step_daemons(spool: Path) -> set[int]:
    """Return the pids that hold the sockets in a node's spool folder, where each of its step daemons listens."""
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    sockets = {f"socket:[{row[6]}]" for row in rows if len(row) == 8 and row[7].startswith(f"{spool}/")}
    return {pid for pid in _pids() if not sockets.isdisjoint(open_files(pid))} if sockets else set()


def _families(pids: set[int]) -> set[Process]:
    """Return these processes, their descendants, and all who share a session with one of them."""
    stats = {}
    for pid in _pids():
        try:
            stats[pid] = read_stat(pid)
        except OSError:
            continue
    family: set[int] = set()
    new = {pid for pid in pids if pid in stats}
    while new:
        family |= new
        sessions = {stats[pid].session for pid in family} - {0}  # 0: a session begun outside our pid namespace
        new = {pid for pid, stat in stats.items() if stat.parent in family or stat.session in sessions} - family
    return {Process(pid, stats[pid].start_ticks) for pid in family}


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def open_files(pid: int) -> set[str]:
    """Return what the descriptors of a process lead to; nothing when it has ended or is not ours."""
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed just now; the others are still open
                found.add(str(link.readlink()))
    return found
