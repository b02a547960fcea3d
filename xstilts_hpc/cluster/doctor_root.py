"""The folder of runs: what its file system can do, and whether a grid fits into it."""

import fcntl
import getpass
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.byte_sizes import in_bytes
from xstilts_hpc.cluster import slurm_commands as slurm
from xstilts_hpc.cluster.doctor_check import Check, fine, problem, warning
from xstilts_hpc.cluster.profile import Profile
from xstilts_hpc.errors import ClusterError, RunError
from xstilts_hpc.forecast import Forecast
from xstilts_hpc.ownership import require_trusted

_SHARED = {"nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "panfs", "wekafs", "pvfs2", "cifs", "smb3", "afs", "9p"}
_IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}
_NODE_LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/local", "/scratch/local")
# So much of the room left is not counted on: logs, caches, other people.
_MARGIN = 0.9
_QUOTA_S = 10.0


@dataclass(frozen=True)
class Room:
    """Bytes and files that still fit, and who says so; -1 is unknown."""

    source: str
    bytes_left: int
    files_left: int


@dataclass(frozen=True)
class Need:
    """What a grid needs: the runs to do, and what they cost."""

    runs: int
    cost: Forecast


@dataclass(frozen=True)
class Place:
    """A folder: the file system it lies on, the room there, and what failed of what runs need ("": nothing)."""

    path: Path
    file_system: str
    mount: str
    rooms: tuple[Room, ...]
    failures: tuple[str, ...]


def look_at(root: Path) -> Place:
    """Return the facts of the root, or of the nearest folder above it that is there."""
    root = root.resolve()
    path = next(folder for folder in (root, *root.parents) if folder.is_dir())
    mount, kind = mount_of(path, Path("/proc/mounts").read_text(encoding="utf-8") if os.name == "posix" else "")
    rooms = [_statvfs(path), *quotas(mount, kind)]
    failures = _probe(path)
    if path == root:
        failures.append(_attempt("who may write", lambda folder: require_trusted(folder, folder), root))
    return Place(root, kind, mount, tuple(rooms), tuple(filter(None, failures)))


def mount_of(path: Path, mounts: str) -> tuple[str, str]:
    """Return the mount point and the kind of file system of a path, from the text of /proc/mounts."""
    found = ("/", "unknown")
    for line in mounts.splitlines():
        _, raw, kind, *_ = line.split(" ")
        mount = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), raw)
        if path.is_relative_to(mount) and len(mount) >= len(found[0]):
            found = (mount, kind)
    return found


def quotas(mount: str, kind: str) -> list[Room]:
    """Return what quotas leave to this user, as far as a tool here tells it in time."""
    user = getpass.getuser()
    if kind == "lustre":
        command = ["lfs", "quota", "-q", "-u", user, mount]
    elif kind in ("nfs", "nfs4", "ext4", "xfs"):
        command = ["quota", "-w", "-u", user]
    else:
        return []
    if not shutil.which(command[0]):
        return []
    try:
        done = slurm.ask(command, timeout_s=_QUOTA_S)
    except ClusterError:
        return []
    return quota_in(done.stdout, " ".join(command[:2]))


def quota_in(text: str, source: str) -> list[Room]:
    """Return the room of each line of a quota tool: place, then kilobytes and files, each as used, soft, hard limit."""
    rooms = []
    for line in text.splitlines():
        # a grace time (`6d3h`, `none`, `-`) stands only where a limit is passed
        numbers = [int(token.rstrip("*")) for token in line.split()[1:] if re.fullmatch(r"\d+\*?", token)]
        if len(numbers) == 6:
            left = _left(*numbers[:3])
            rooms.append(Room(source, left * 1024 if left >= 0 else -1, _left(*numbers[3:])))
    return rooms


def root_checks(profile: Profile, place: Place, need: Need | None) -> list[Check]:
    """Return what is to be said about the root."""
    return [check_file_system(profile, place), check_operations(place), check_space(profile, place, need)]


def check_file_system(profile: Profile, place: Place) -> Check:
    """Check that the nodes of a cluster can see the root."""
    said = f"{place.path} is on {place.mount} ({place.file_system})"
    if profile.kind == "local" or place.file_system in _SHARED or place.file_system.startswith("fuse"):
        return fine("file system", said)
    local = next((top for top in _NODE_LOCAL if place.path.is_relative_to(top)), "")
    then = "use a folder that all nodes share; `--on-node` shows whether a node sees this one"
    if local or place.file_system in _IN_MEMORY:
        return warning("file system", f"{said}: every node has {local or 'a memory'} of its own", then)
    return warning("file system", f"{said}: a disk of this machine, unless it is exported", then)


def check_operations(place: Place) -> Check:
    """Check that whole files can be put in place, and locks be held."""
    if place.failures:
        then = "use another folder as --root, or ask the site; locks on NFS need its lock service"
        return problem("operations", "; ".join(place.failures), then)
    return fine("operations", "writing, renaming, hard links and locks work")


def check_space(profile: Profile, place: Place, need: Need | None) -> Check:
    """Check that what a grid will keep, and its running runs need, fits in the file system and the quota."""
    bytes_left = min((room.bytes_left for room in place.rooms if room.bytes_left >= 0), default=-1)
    files_left = min((room.files_left for room in place.rooms if room.files_left >= 0), default=-1)
    sources = " and ".join(room.source for room in place.rooms)
    said = f"{_size(bytes_left)} and {_number(files_left)} files free by {sources}"
    if need is None:
        return fine("room", said)
    cost, at_once = need.cost, min(need.runs, _at_once(profile) or need.runs)
    needed = cost.bytes_kept + cost.bytes_per_running * at_once
    said = f"{said}; the grid needs {_size(needed)} and {cost.files:,} files for {need.runs:,} runs, {at_once} at once"
    then = "free room, ask for a larger quota, use another --root, or split the grid"
    short = needed > _MARGIN * bytes_left >= 0 or cost.files > _MARGIN * files_left >= 0
    return problem("room", said, then) if short else fine("room", said)


def _at_once(profile: Profile) -> int:
    """Return how many runs go at once, 0 for all of them."""
    if profile.kind == "slurm":
        return profile.max_parallel
    return profile.slots or max(1, len(os.sched_getaffinity(0)) // profile.num_threads)


def _left(used: int, soft: int, hard: int) -> int:
    limits = [limit for limit in (soft, hard) if limit]
    return max(0, min(limits) - used) if limits else -1


def _statvfs(path: Path) -> Room:
    found = os.statvfs(path)
    return Room("the file system", found.f_bavail * found.f_frsize, found.f_favail if found.f_files else -1)


def _probe(folder: Path) -> list[str]:
    """Try in a folder what runs do; return what failed."""
    try:
        with tempfile.TemporaryDirectory(prefix=".xstilts-doctor-", dir=folder) as name:
            return [_attempt(what, do, Path(name)) for what, do in _OPERATIONS.items()]
    except OSError as error:
        return [f"cannot write in {folder}: {error.strerror}"]


def _attempt(what: str, do: Callable[[Path], None], folder: Path) -> str:
    try:
        do(folder)
    except OSError as error:
        return f"{what}: {error.strerror or error}"
    except RunError as error:
        return f"{what}: {error}"
    return ""


def _rename(folder: Path) -> None:
    for name in ("new", "old"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "new").replace(folder / "old")
    if (folder / "old").read_text(encoding="utf-8") != "new":
        raise OSError("the old file is still there after it was replaced")


def _link(folder: Path) -> None:
    (folder / "first").write_text("x", encoding="utf-8")
    (folder / "second").hardlink_to(folder / "first")
    if (folder / "first").stat().st_nlink != 2:
        raise OSError("a linked file has no second name")


def _lock(folder: Path) -> None:
    with (folder / "lock").open("w", encoding="utf-8") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _owned(folder: Path) -> None:
    (folder / "run").mkdir()
    require_trusted(folder / "run", folder)


_OPERATIONS: dict[str, Callable[[Path], None]] = {
    "replacing a file": _rename,
    "hard links": _link,
    "locks": _lock,
    "who may write": _owned,
}


def _number(count: int) -> str:
    return f"{count:,}" if count >= 0 else "any number of"


def _size(count: float) -> str:
    if count < 0:
        return "any number of bytes"
    return in_bytes(count)
