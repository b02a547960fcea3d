"""The commands that messages name, for the folders that the user works with."""

import re
import shlex
from pathlib import Path

EXPERIMENTS = Path("experiments")
# The data folder of a root.
DATA = "data"
_COMMAND = re.compile(r"`(xstilts [^`]+)`")


def for_folders(command: str, root: Path = EXPERIMENTS, data: Path | None = None) -> str:
    """Return a command with its options --root and --data, where the folders are not the usual ones."""
    folders = ([("--root", root)] if root != EXPERIMENTS else []) + ([("--data", data)] if data is not None else [])
    return " ".join([command, *(f"{option} {shlex.quote(str(path))}" for option, path in folders)])


def within(text: str, root: Path) -> str:
    """Return a text with the option --root in each command of xstilts that it names between backticks."""
    return _COMMAND.sub(lambda found: f"`{for_folders(found[1], root)}`", text)


def for_data(command: str, data: Path) -> str:
    """Return a command with the option that leads it to a data folder."""
    return for_folders(command, data.parent) if data.name == DATA else for_folders(command, data=data)
