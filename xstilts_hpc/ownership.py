"""Who may have written what is about to be believed: only this user, the root's owner and the project's group."""

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from xstilts_hpc.errors import RunError

_SUPERUSER = 0


def require_trusted(path: Path, root: Path) -> None:
    """Refuse a file or folder that others could have written, or one of the folders above it up to the root.

    The project's group is that of the root folder. RunError names the command that mends it. What is not there is
    passed over; a symbolic link must itself belong to somebody trusted, and so must what it leads to.
    """
    project = _Project(root)
    for level in _levels(path, root):
        project.require(level)


def require_trusted_tree(folder: Path, root: Path) -> None:
    """Refuse a folder as `require_trusted` does, and with it everything in it; no symbolic link may be among that."""
    require_trusted(folder, root)
    project = _Project(root)
    for path in _inside(_absolute(folder)):
        if path.is_symlink():
            raise RunError(
                f"{path} is a symbolic link where only files of the run's own are expected; "
                f"put what it leads to in its place, or remove it: rm {shlex.quote(str(path))}"
            )
        project.require(path)


class _Project:
    """Whom a root trusts, as its folder says: its owner, and its group where the group may write to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        found = root.stat()
        self._owner, self._group = found.st_uid, found.st_gid
        self._shared = bool(found.st_mode & stat.S_IWGRP)

    def require(self, path: Path) -> None:
        """Refuse one file or folder; the permissions of a link are those of what it leads to."""
        try:
            found = path.lstat()
            self._require_owner(path, found)
            if stat.S_ISLNK(found.st_mode):
                path, found = path.resolve(), path.stat()
                self._require_owner(path, found)
        except FileNotFoundError:
            return
        self._require_mode(path, found)

    def _require_owner(self, path: Path, found: os.stat_result) -> None:
        uid = found.st_uid
        if uid in (os.geteuid(), self._owner, _SUPERUSER) or (self._shared and _is_member(uid, self._group)):
            return
        me = _user(os.geteuid())
        raise RunError(
            f"{path} belongs to {_user(uid)}, so it is not trusted; expected {me}, the owner of {self._root} "
            f"({_user(self._owner)}) or, where its group may write to that, a member of it "
            f"({_group_name(self._group)}); if you trust it: "
            f"chown {_recursive(found)}{shlex.quote(me)} {shlex.quote(str(path))}"
        )

    def _require_mode(self, path: Path, found: os.stat_result) -> None:
        where, every = shlex.quote(str(path)), _recursive(found)
        if found.st_mode & stat.S_IWOTH:
            raise RunError(
                f"{path} may be written by everybody, so what it holds is not trusted; "
                f"see whether it is yours, then: chmod {every}o-w {where}"
            )
        if found.st_mode & stat.S_IWGRP and found.st_gid != self._group:
            raise RunError(
                f"{path} may be written by the group {_group_name(found.st_gid)}, expected the project's, "
                f"{_group_name(self._group)} (that of {self._root}); "
                f"chmod {every}g-w {where}, or chgrp {every}{shlex.quote(_group_name(self._group))} {where}"
            )


def _levels(path: Path, root: Path) -> list[Path]:
    """Return the root, the folders between it and a path, and the path."""
    path, root = _absolute(path), _absolute(root)
    if not path.is_relative_to(root):
        raise RunError(f"{path} is not under {root}; use the --root that it belongs to")
    return [path, *(parent for parent in path.parents if parent.is_relative_to(root))][::-1]


def _absolute(path: Path) -> Path:
    """Return a path from the top, its dots taken out; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _inside(folder: Path) -> Iterator[Path]:
    """Yield everything in a folder, at any depth; links are not followed."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def _is_member(uid: int, gid: int) -> bool:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return False
    return gid in os.getgrouplist(user.pw_name, user.pw_gid)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _recursive(found: os.stat_result) -> str:
    return "-R " if stat.S_ISDIR(found.st_mode) else ""
