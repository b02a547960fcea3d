"""What a command wrote into a folder is listed there, so that the next one removes what it does not write again."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from xstilts_hpc.errors import RunError
from xstilts_hpc.files import read_json, write_json

_LIST = ".written.json"


def remove_others(folder: Path, written: Collection[Path]) -> None:
    """Remove what an earlier command listed in a folder and this one did not write, and list what this one wrote.

    A file that stands in no list is the user's own, and stays.
    """
    listed, names = _listed(folder), sorted(path.relative_to(folder).as_posix() for path in written)
    for name in listed.difference(names):
        path = folder / name
        path.unlink(missing_ok=True)
        with suppress(OSError):  # other files are in it
            path.parent.rmdir()
    if listed or names:
        write_json(folder / _LIST, names)


def _listed(folder: Path) -> set[str]:
    """Return the files of the list that are really inside the folder; none where there is no list or it is damaged."""
    try:
        found = {str(name) for name in read_json(folder / _LIST)}
    except (FileNotFoundError, RunError, TypeError):
        return set()
    return {name for name in found if (folder / name).parent.resolve().is_relative_to(folder.resolve())}
