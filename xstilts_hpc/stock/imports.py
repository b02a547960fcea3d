"""Bring the files of a task that someone has into a data folder: read, copied as wholes or linked, recorded."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xstilts_hpc.clock import utc
from xstilts_hpc.disk import disk_errors_are_clear
from xstilts_hpc.errors import DataError
from xstilts_hpc.files import Memory, sha256_of, whole_file
from xstilts_hpc.lease import hold
from xstilts_hpc.stock.check import (
    Counted,
    DataCheck,
    Finding,
    State,
    count,
    differs,
    finding_of,
    missing,
    parts_of,
    recorded_files,
    wanted_places,
)
from xstilts_hpc.stock.search import Found, find_files, find_refused, seen
from xstilts_hpc.tasks.base import Split, Task
from xstilts_hpc.tasks.fetched import (
    IMPORTED,
    Fetched,
    FetchedFile,
    fetch_lease,
    read_fetched,
    with_record,
    write_fetched,
)
from xstilts_hpc.tasks.folder import DataFolder, forms_of
from xstilts_hpc.tasks.hub import split_of

_SHOWN = 10


@dataclass(frozen=True)
class Import:
    """What an import brings into a data folder.

    `same` are the names that hold the very content already; `refused` says why copies of a split must not be used.
    """

    tasks: tuple[Task, ...]
    folder: Path
    data: Path
    found: tuple[Found, ...]
    findings: tuple[Finding, ...]
    same: frozenset[str] = frozenset()
    refused: Mapping[tuple[str, Split, str], str] = field(default_factory=dict)

    @property
    def targets(self) -> dict[str, Path]:
        """Return the file that becomes each name in the data folder."""
        return {name: path for found in self.found for name, path in found.targets.items()}

    @property
    def new(self) -> list[str]:
        """Return the names that are new, or get another content."""
        return [name for name in self.targets if name not in self.same]

    @property
    def check(self) -> DataCheck:
        """Return what is said of each split, and what is missing still, as `data check` says it."""
        here = DataFolder(self.data, Memory(Path())) if self.data.is_dir() else None
        found = {(finding.task, finding.split, finding.language) for finding in self.findings}
        absent = [
            missing(task, *place, self.refused.get((task.name, *place), ""))
            for task in self.tasks
            for place in wanted_places(task)
            if (task.name, *place) not in found and not (here and here.has(task, *place))
        ]
        return DataCheck(self.data, self.tasks, (*self.findings, *absent))


def plan_import(task: Task, folder: Path, data: Path, *, replacing: bool = False) -> Import:
    """Find the files of a task in a folder and below it, read them all, and say what they become; nothing is written.

    A DataError where there is none, where one cannot be read, where a name in the data folder holds another content
    that may not be replaced, or the same content but not that of its record, and where shards of a copy on the hub
    would lie beside those of another.
    """
    if not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        raise DataError(
            f"{folder} is not a folder that you may read; name the one that holds the files of {task.title}"
        )
    tasks = parts_of([task])
    splits = [_fullest(candidates) for part in tasks for candidates in find_files(part, folder)]
    refused = {(part.name, *place): why for part in tasks for place, why in find_refused(part, folder).items()}
    if not splits:
        raise DataError(_nothing(task, folder, list(refused.values())))
    unreadable = dict.fromkeys(counted.says for _, counted in splits if counted.state is State.UNREADABLE)
    if unreadable:
        raise DataError("nothing was imported, for not everything can be read:\n  " + "\n  ".join(unreadable))
    findings = tuple(finding_of(found.located, counted, tuple(found.targets)) for found, counted in splits)
    plan = Import(tasks, folder, data, tuple(found for found, _ in splits), findings, refused=refused)
    _check_shards(plan)
    here = [name for name in plan.targets if (data / name).exists()]
    same = frozenset(name for name in here if _alike(plan.targets[name], data / name))
    _check_same(task, data, same)
    different = [name for name in here if name not in same]
    if different and not replacing:
        shown = _some(different)
        raise DataError(f"{data} has another content under {shown}; --replace puts yours in its place")
    return replace(plan, same=same)


def apply_import(plan: Import, *, link: bool = False) -> None:
    """Bring in the new files, each as a whole, and record them and those that no record has.

    A link is a hard link, or a symbolic one from one file system to another.
    """
    with disk_errors_are_clear(plan.data):
        plan.data.mkdir(parents=True, exist_ok=True)
    with disk_errors_are_clear(plan.data), hold(fetch_lease(plan.data)):
        for name in plan.new:
            with whole_file(plan.data / name) as partial:
                _put(plan.targets[name].resolve(), partial, link=link)
        _record(plan)


def not_used(plan: Import) -> list[str]:
    """Return a line for each imported split that the data folder holds in a form that goes before it."""
    folder, lines = DataFolder(plan.data, Memory(Path())), list[str]()
    for found in plan.found:
        task, split, language = found.located.task, found.located.split, found.located.language
        used = folder.locate(task, split, language).paths
        if {plan.data / name for name in found.targets}.isdisjoint(used):
            names = _some(str(path.relative_to(plan.data)) for path in used)
            lines.append(
                f"{task.name} {split} {language}: {names} goes before what was imported; move it away to use that"
            )
    return lines


def _fullest(candidates: Sequence[Found]) -> tuple[Found, Counted]:
    """Return the files of a split that can be read, have the right answers and the most examples, read whole.

    Of equals it is the first: the preferred form, the higher folder.
    """
    read = [(found, count(found.located)) for found in candidates]
    return max(read, key=lambda each: (each[1].state is not State.UNREADABLE, each[1].gold, each[1].examples))


def _alike(path: Path, other: Path) -> bool:
    return path.stat().st_size == other.stat().st_size and sha256_of(path) == sha256_of(other)


def _put(path: Path, partial: Path, *, link: bool) -> None:
    if not link:
        shutil.copyfile(path, partial)
        if not _alike(path, partial):
            raise DataError(f"{path}: the copy differs from it; is the disk, or the network to it, in order?")
        return
    try:
        os.link(path, partial)
    except OSError:
        partial.symlink_to(path)


def _check_shards(plan: Import) -> None:
    """Refuse files of a hub copy that would lie beside those of another copy of the same split, as one set."""
    targets = plan.targets
    for path in (plan.data / name for found in plan.found if found.of_hub for name in found.targets):
        beside = sorted(path.parent.glob(f"{split_of(path)}-*.parquet"))
        others = [other.name for other in beside if other.relative_to(plan.data).as_posix() not in targets]
        if others:
            raise DataError(
                f"{path.parent} has {_some(others)} too, of another copy of the split that {path.name} would be of; "
                "move it away first"
            )


def _check_same(task: Task, data: Path, same: Iterable[str]) -> None:
    """Refuse content that is in the data folder already and is not what was fetched or imported under its name."""
    recorded = recorded_files(data)
    changed = sorted(name for name in same if name in recorded and differs(data / name, recorded[name]))
    if changed:
        raise DataError(
            f"{data}: {_some(changed)} is not what SOURCES.json says that it was, and what would be imported is the "
            f"same; to get the right content: {task.how_to_get(data)}; or move it out of {data} and import it from "
            "there"
        )


def _record(plan: Import) -> None:
    """Record what was imported, and what was there already without a record.

    What SOURCES.json said of files that were replaced no longer holds.
    """
    recorded = recorded_files(plan.data)
    for task in plan.tasks:
        names = {name for found in plan.found if found.located.task is task for name in found.targets}
        names -= {name for name in plan.same if name in recorded}
        if not names:
            continue
        place = plan.folder.resolve().as_uri()
        key = f"{place}#{task.name}"
        records = read_fetched(plan.data)
        sizes = {name: (plan.data / name).stat().st_size for name in sorted(names)}
        files = {name: FetchedFile(sha256_of(plan.data / name), size) for name, size in sizes.items()}
        files = {**(records[key].files if key in records else {}), **files}
        size = sum(file.bytes for file in files.values())
        record = Fetched((task.name,), place, "", size, IMPORTED, utc(), task.licence, files)
        write_fetched(plan.data, with_record(records, key, record))


def _nothing(task: Task, folder: Path, refused: Sequence[str]) -> str:
    forms = dict.fromkeys(
        form for part in parts_of([task]) for place in wanted_places(part) for form in forms_of(part, *place)
    )
    names = seen(folder)
    there = f"{len(names):,} other files: {_some(names)}" if names else "no files"
    why = f"\nnot used: {_some(dict.fromkeys(refused))}" if refused else ""
    return f"{folder}: no file of {task.title}; expected one of\n  " + "\n  ".join(forms) + f"\nthere are {there}" + why


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
