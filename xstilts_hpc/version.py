"""Which code is running: the version of the package, and the commit where it runs from a checkout."""

import subprocess
from functools import cache
from pathlib import Path

VERSION = "0.1.0"
_DIGITS = 10


@cache
def code_version() -> str:
    """Return `0.1.0`, or `0.1.0 (commit, with a mark for uncommitted changes)` in a git checkout."""
    commit = _commit()
    return f"{VERSION} ({commit})" if commit else VERSION


def _commit() -> str:
    """Return the commit of the checkout whose top holds this package, "" where there is none."""
    top = Path(__file__).resolve().parent.parent
    if _git(top, "rev-parse", "--show-toplevel") != str(top):
        return ""
    return _git(top, "describe", "--always", "--dirty", "--exclude=*", f"--abbrev={_DIGITS}")


def _git(top: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(top), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
