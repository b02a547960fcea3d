"""What may be deleted under a root and why, and the deleting; nothing that a grid still needs, no result, no record."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from stat import S_ISDIR

from xstilts_hpc.cluster.claims import Claims, claims, grid_names
from xstilts_hpc.cluster.snapshot import PACKAGE, code_folder
from xstilts_hpc.cluster.submission import lock
from xstilts_hpc.disk import FULL, FullDiskError
from xstilts_hpc.errors import LockError
from xstilts_hpc.files import read_json, write_json
from xstilts_hpc.lease import hold, is_alive
from xstilts_hpc.plan import Plan, grid_folder
from xstilts_hpc.run_folder import RunFolder, run_folder
from xstilts_hpc.version import CODE_RECORD

DAY_S = 86_400
_HANDED_OVER = (".pkl", ".pkl.save_tmp", ".sh")


class What(StrEnum):
    """The kinds of things that may go."""

    CHECKPOINTS = "checkpoints"
    TRAINED = "trained models"
    ENCODER = "saved encoders"
    DAMAGED = "damaged records"
    BOARD = "files for TensorBoard"
    PARTIAL = "unfinished files"
    SUBMISSION = "files of submissions"
    CODE = "code of submissions"
    CACHE = "encoded data"
    RUN = "runs of no grid"


_SHARED = (What.ENCODER, What.CODE, What.CACHE)
# What no lock or record guards: it goes first where the disk is so full that none can be written.
_FREE = (What.BOARD, What.PARTIAL, What.CACHE)


@dataclass(frozen=True)
class Item:
    """A file or folder, why it may go or stays, and its size; `run` is the run whose lease is held to delete it."""

    what: What
    path: Path
    why: str
    run: str = ""
    stays: bool = False
    files: int = 0
    bytes: int = 0


def find(plan: Plan, root: Path, *, cache_days: int = 0) -> list[Item]:
    """Return what may go, and what stays that one might expect to go. Changes nothing.

    Looks at the runs and submissions of one grid, and at what belongs to none: code, unfinished files, runs without a
    grid and, where `cache_days` is given, encoded data not used for so many days.
    """
    root = root.resolve()
    return _find(plan, root, claims(root), cache_days)


def _find(plan: Plan, root: Path, found: Claims, cache_days: int) -> list[Item]:
    items = [
        *(item for run_id in plan.runs for item in _of_run(root, run_id, found)),
        *_submissions(plan, found),
        *_code(root, found),
        *_partials(plan, root, found),
        *(_cache(root, cache_days) if cache_days else ()),
        *_strays(root, found),
    ]
    return [_measured(item, root) for item in items]


def clean(plan: Plan, root: Path, *, cache_days: int = 0) -> list[Item]:
    """Delete what may go and return it, with what stays; no grid is submitted meanwhile.

    LockError where somebody submits this grid or runs it here; while it is another grid, what grids share stays. It can
    be cut off and repeated. FullDiskError where no lock can be written and nothing may go without one.
    """
    root = root.resolve()
    try:
        return _clean(plan, root, cache_days)
    except OSError as error:
        if error.errno not in FULL:
            raise
        freed = [item for item in find(plan, root, cache_days=cache_days) if item.what in _FREE and not item.stays]
        if not freed:
            raise FullDiskError(
                f"{root}: the disk (or a quota) is too full for the lock that deleting needs; remove some files of "
                f"{root / 'cache'} first: they are made again"
            ) from error
    for item in freed:
        _remove(item.path)
    return [*freed, *_clean(plan, root, cache_days)]


def _clean(plan: Plan, root: Path, cache_days: int) -> list[Item]:
    with ExitStack() as stack:
        stack.enter_context(lock(root, plan.name))
        others = [name for name in grid_names(root) if name != plan.name]
        in_use = "; ".join(filter(None, (_lock(stack, root, name) for name in others)))
        items = [_kept_if(item, in_use) for item in find(plan, root, cache_days=cache_days)]
        return [item if item.stays else _deleted(item, root) for item in items]


def _lock(stack: ExitStack, root: Path, name: str) -> str:
    """Keep a grid from being submitted; return why it cannot be kept from it, "" where it can."""
    try:
        stack.enter_context(lock(root, name))
    except LockError as held:
        return str(held)
    return ""


def _kept_if(item: Item, in_use: str) -> Item:
    """Keep what grids share while one of them is being submitted: nobody can say what it will need."""
    return replace(item, why=in_use, stays=True) if in_use and not item.stays and item.what in _SHARED else item


def _of_run(root: Path, run_id: str, found: Claims) -> Iterator[Item]:
    """Yield what may go of a run that is done in every grid."""
    folder = run_folder(root, run_id)
    if run_id not in found.done:
        return
    parts = {
        What.CHECKPOINTS: (folder.checkpoints, "the run is done"),
        What.TRAINED: (folder.trained, "the run is done; its predictions are made"),
        What.DAMAGED: (folder.done_json.with_suffix(".damaged.json"), "the run was done again"),
        What.BOARD: (folder.tensorboard, "the run is done; its history and its record have the same numbers"),
        What.ENCODER: (folder.encoder, "every run of every grid that starts from it is done"),
    }
    children = found.undone_children.get(run_id, [])
    for what, (path, why) in parts.items():
        if not os.path.lexists(path):
            continue
        item = Item(what, path, why, run_id)
        if run_id in found.busy:
            yield replace(item, why=found.busy[run_id], stays=True)
        elif what is What.ENCODER and children:
            grids = ", ".join(sorted({name for child in children for name in found.grids_of[child]}))
            yield replace(item, why=f"{len(children)} runs that start from it are not done ({grids})", stays=True)
        else:
            yield item


def _submissions(plan: Plan, found: Claims) -> Iterator[Item]:
    """Yield what was written for jobs that Slurm holds no more; the record and the logs of a submission stay."""
    for submission in found.submissions:
        if submission.grid != plan.name:
            continue
        paths = [path for path in sorted(submission.folder.iterdir()) if path.name.endswith(_HANDED_OVER)]
        held = submission.folder in found.held
        why = found.problem or "Slurm holds jobs of it" if held else "Slurm holds its jobs no more"
        yield from (Item(What.SUBMISSION, path, why, stays=held) for path in paths)


def _code(root: Path, found: Claims) -> Iterator[Item]:
    """Yield the copies of the package that no unfinished submission runs; the record and the changes beside them stay.

    A copy with files that git does not know stays too: nothing else can tell what they were.
    """
    needed = {Path(submission.code) for submission in found.submissions if submission.folder in found.held}
    for folder in sorted(path for path in code_folder(root).glob("*") if not path.name.endswith(".partial")):
        package, record = folder / PACKAGE, folder / CODE_RECORD
        if not package.is_dir() or not record.is_file() or _age_s(folder) < DAY_S:
            continue
        item = Item(What.CODE, package, "no unfinished submission runs it; which code it was stays on record")
        if folder in needed:
            yield replace(item, why="an unfinished submission runs it", stays=True)
        elif read_json(record)["untracked"]:
            yield replace(item, why="it holds files that git does not know: this is their only copy", stays=True)
        else:
            yield item


def _partials(plan: Plan, root: Path, found: Claims) -> Iterator[Item]:
    """Yield what was cut off while it was written, a day ago or longer, by a process that this machine has no more."""
    runs = [run_folder(root, run_id).path for run_id in plan.runs if run_id not in found.busy]
    for top in (*runs, grid_folder(root, plan.name).path, root / "cache", code_folder(root)):
        for parent, folders, files in os.walk(top):
            for name in sorted(name for name in (*folders, *files) if name.endswith(".partial")):
                path = Path(parent, name)
                if _age_s(path) > DAY_S and not _is_written(name):
                    yield Item(What.PARTIAL, path, "its writing was cut off more than a day ago")
            folders[:] = [name for name in folders if not name.endswith(".partial")]


def _is_written(name: str) -> bool:
    """Say whether the process whose number stands before `.partial` lives on this machine."""
    number = name.split(".")[-2] if name.count(".") > 1 else ""
    return number.isdecimal() and is_alive(int(number))


def _cache(root: Path, days: int) -> Iterator[Item]:
    """Yield encoded sets and kept scores that were not used for some days; they are made again where needed."""
    for made in ("encoded", "scored"):
        for path in sorted((root / "cache" / made).glob("*")):
            if not path.name.endswith(".partial") and _age_s(path) > days * DAY_S:
                yield Item(What.CACHE, path, f"not used for {days} days; {made} again when needed")


def _strays(root: Path, found: Claims) -> Iterator[Item]:
    """Yield the folders of runs that stand in no plan; they are never deleted."""
    for folder in sorted((root / "runs").glob("*")):
        if folder.name not in found.grids_of and folder.is_dir():
            once = found.once_of.get(folder.name)
            why = f"it was of grid {once}, which no longer asks for it" if once else "it belongs to no grid"
            yield Item(What.RUN, folder, f"{why}: look at it, and delete it yourself", stays=True)


def _is_inside(path: Path, root: Path) -> bool:
    """Say whether a path is really under the root: neither it nor a folder above it is a link that leads away."""
    return path.resolve().is_relative_to(root) and path.parent.resolve().is_relative_to(root)


def _inside(path: Path) -> Iterator[os.stat_result]:
    """Yield the facts of a file, or of a folder and everything in it; links are not followed."""
    yield path.lstat()
    for parent, folders, files in os.walk(path) if not path.is_symlink() else ():
        for name in (*folders, *files):
            yield Path(parent, name).lstat()


def _age_s(path: Path) -> float:
    """Return how long the newest file was neither written nor read; that a folder was looked into does not count."""
    found = list(_inside(path))
    return time.time() - max(facts.st_mtime if S_ISDIR(facts.st_mode) else _last_use(facts) for facts in found)


def _last_use(facts: os.stat_result) -> float:
    return max(facts.st_mtime, facts.st_atime)


def _measured(item: Item, root: Path) -> Item:
    """Return a thing with its size; one that is reached through a link out of the root is left alone."""
    if not _is_inside(item.path, root):
        return replace(item, why="a symbolic link leads away from the root; it is not followed", stays=True)
    sizes = [facts.st_size for facts in _inside(item.path) if not S_ISDIR(facts.st_mode)]
    return replace(item, files=len(sizes), bytes=sum(sizes))


def _deleted(item: Item, root: Path) -> Item:
    """Delete one thing; return it, or why it stays after all."""
    if not item.run:
        _remove(item.path)
        return item
    folder = run_folder(root, item.run)
    try:
        with hold(folder.lease):
            if item.what is What.ENCODER:
                release_encoder(folder)
            _remove(item.path)
    except LockError as held:
        return replace(item, why=str(held), stays=True)
    return item


def release_encoder(folder: RunFolder) -> None:
    """Write the commit record and the request of a run anew, without its encoder, so that both stay true.

    Before the files go: cut off in between, they are files that no record names, and go the next time.
    """
    if folder.request_json.is_file():
        write_json(folder.request_json, replace(folder.request(), keep_encoder=False).to_json())
    record = read_json(folder.done_json)
    encoder = f"{folder.encoder.name}/"
    files = [product for product in record["files"] if not product["path"].startswith(encoder)]
    write_json(folder.done_json, {**record, "files": files, "keep_encoder": False})


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder; a folder first goes out of sight by one rename, since deleting takes time."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    gone = path if path.name.endswith(".partial") else path.with_name(f"{path.name}.{os.getpid()}.partial")
    path.rename(gone)
    shutil.rmtree(gone)


def totals(items: Sequence[Item]) -> dict[tuple[What, bool, str], tuple[int, int, int]]:
    """Return number, files and bytes of things of one kind that stay or go for one reason."""
    found: dict[tuple[What, bool, str], tuple[int, int, int]] = {}
    for item in items:
        key = (item.what, item.stays, item.why)
        number, files, size = found.get(key, (0, 0, 0))
        found[key] = (number + 1, files + item.files, size + item.bytes)
    return found
