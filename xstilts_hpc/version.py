"""Which code is running: the version of the package, and the commit where it runs from a checkout or a snapshot."""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VERSION = "0.1.0"
# What stands beside the package in a snapshot, and in the package in a wheel: it says which code they were made from.
CODE_RECORD = "code.json"
_DIGITS = 10


@dataclass(frozen=True)
class Code:
    """What pins the running code: the commit is empty where there is none.

    `dirty` says that files of the checkout were changed, or that the package holds files git does not know
    (`untracked`, relative to the checkout).
    """

    version: str
    commit: str = ""
    dirty: bool = False
    untracked: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it as in records and reports: `0.1.0`, `0.1.0 (8f3a0c1d22)` or `0.1.0 (8f3a0c1d22-dirty)`."""
        mark = "-dirty" if self.dirty else ""
        return f"{self.version} ({self.commit[:_DIGITS]}{mark})" if self.commit else self.version


def code_version() -> str:
    """Return `0.1.0`, or `0.1.0 (commit, with a mark for uncommitted changes)` in a git checkout or its snapshot."""
    return str(running_code())


def package_top() -> Path:
    """Return the folder that holds the running package: a checkout, a snapshot, or where packages are installed."""
    return Path(__file__).resolve().parent.parent


@cache
def running_code() -> Code:
    """Return what pins the running code: a checkout's own state comes before what a build wrote down."""
    package = Path(__file__).resolve().parent
    return _recorded(package_top()) or _of_checkout(package_top()) or _recorded(package) or Code(VERSION)


def git(top: Path, *arguments: str) -> str:
    """Return what a git command prints in a checkout, "" where it fails or there is no git; it takes no locks."""
    command = ["git", "--no-optional-locks", "-C", str(top), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", "surrogateescape") if answer.returncode == 0 else ""


def _recorded(folder: Path) -> Code | None:
    """Return what the record of a snapshot, a wheel or a source archive says, None where there is no such record."""
    try:
        found = json.loads((folder / CODE_RECORD).read_text(encoding="utf-8"))
        return Code(found["version"], found["commit"], found["dirty"], tuple(found["untracked"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_checkout(top: Path) -> Code | None:
    """Return the state of the checkout whose top holds this package, None where there is none."""
    found = git(top, "rev-parse", "--show-toplevel", "HEAD").splitlines()
    if len(found) != 2 or found[0] != str(top):
        return None
    package = Path(__file__).resolve().parent.name
    untracked = git(top, "ls-files", "-z", "--others", "--exclude-standard", "--", package).split("\0")
    changed = git(top, "status", "--porcelain", "--untracked-files=no")
    names = tuple(sorted(name for name in untracked if name))
    return Code(VERSION, found[1], bool(changed or names), names)
