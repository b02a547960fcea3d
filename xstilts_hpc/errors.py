"""Errors a user can cause: each message says what was found, what was expected and the next step."""

import difflib
from collections.abc import Iterable

_MOST_NAMED = 60


class XstiltsError(Exception):
    """Base of all errors shown to the user as one readable message; `exit_code` is the process's exit code."""

    exit_code = 3


class GridError(XstiltsError):
    """A grid file is invalid."""


class ProfileError(XstiltsError):
    """A profile file is invalid."""


class DataError(XstiltsError):
    """Data are missing, or a file does not read as its format says."""


class FetchError(XstiltsError):
    """Something could not be downloaded, or is not what was expected."""

    exit_code = 4


class ModelError(XstiltsError):
    """A model or tokenizer cannot be loaded."""


class PackageError(XstiltsError):
    """A package that a command needs is not installed."""


class RunError(XstiltsError):
    """A run cannot proceed: its folder or its parent is not in the state it needs."""

    exit_code = 4


class LogitsError(XstiltsError):
    """A logits file is missing, damaged, or of a schema this version does not read."""

    exit_code = 4


class IncompleteError(XstiltsError):
    """Something finished, but with runs or cells missing."""

    exit_code = 4


class ClusterError(XstiltsError):
    """The cluster refused, or cannot be reached."""

    exit_code = 5


class LockError(XstiltsError):
    """Another submitter holds the lock."""

    exit_code = 6


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint naming the valid word nearest to a mistyped one, or the list of valid words."""
    choices = sorted(valid)
    match = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if match:
        return f"did you mean {match[0]!r}?"
    more = f" and {len(choices) - _MOST_NAMED} more" if len(choices) > _MOST_NAMED else ""
    return "valid: " + ", ".join(choices[:_MOST_NAMED]) + more
