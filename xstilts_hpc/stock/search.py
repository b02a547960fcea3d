"""Look for the files of a task in a folder that someone has, whatever published layout they are in."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.stock.check import places_of
from xstilts_hpc.tasks.base import Source, Split, Task
from xstilts_hpc.tasks.folder import Files, Located, fill, find_in, reason_against, sources_of
from xstilts_hpc.tasks.hub import files_of_one_folder, is_hub, refused_part

# So deep a folder is looked through: a folder of data folders, download/, UD's release, UD_*/.
_DEEPEST = 5
# The name of the folder itself, or of one above it, may be the beginning of a published name: MLQA_V1/test.
_ABOVE = 3
# More folders are somebody's home rather than data; looking in each for every name would take very long.
MOST_FOLDERS = 5_000


@dataclass(frozen=True)
class Found:
    """The files of a split in one language, by the names that they get in a data folder."""

    located: Located
    targets: Mapping[str, Path]

    @property
    def of_hub(self) -> bool:
        """Say whether they are a copy on the hub."""
        return all(is_hub(part.source) for part in self.located.parts)


def find_files(task: Task, folder: Path) -> list[list[Found]]:
    """Return each split of a task that stands in a folder or below it: all places and forms of it, the preferred first.

    Files have their published names with the folders in them; where there is none, those right in the folder are taken
    by their file names alone.
    """
    folder = folder.absolute()
    folders = _around(folder)
    places = list(places_of(task))
    named = [
        found
        for place in places
        if (found := [*_named(task, folder, folders, *place), *_hub_copies(task, folder, folders, *place)])
    ]
    return named or [found for place in places if (found := list(_by_file_name(task, folder, *place)))]


def find_refused(task: Task, folder: Path) -> dict[tuple[Split, str], str]:
    """Return why copies in a folder or below it must not be used, by the split and language that they are of."""
    folder, refused = folder.absolute(), refused_part(task)
    folders = _around(folder) if refused.sources else []
    reasons: dict[tuple[Split, str], str] = {}
    for place in places_of(task):
        found = [located for _, located in find_in(folders, refused, *place)]
        found += [copy.located for copy in _hub_copies(refused, folder, folders, *place)]
        inside = [located for located in found if _inside(folder, located.paths)]
        if inside:
            reasons[place] = reason_against(inside[0])
    return reasons


def seen(folder: Path) -> list[str]:
    """Return the names of the files below a folder, as deep as they are looked for."""
    below = (path for inside in _below(folder.absolute()) for path in sorted(inside.iterdir()) if os.path.isfile(path))  # noqa: PTH113
    return [path.relative_to(folder.absolute()).as_posix() for path in below]


def _around(folder: Path) -> list[Path]:
    return [*_below(folder), *folder.parents[:_ABOVE]]


def _inside(folder: Path, paths: Iterable[Path]) -> bool:
    return all(path.is_relative_to(folder) for path in paths)


def _below(folder: Path) -> list[Path]:
    """Return a folder and those below it that are not hidden, the higher ones first."""
    found: list[Path] = []
    level = [folder]
    for _ in range(_DEEPEST + 1):
        found += level
        if len(found) > MOST_FOLDERS:
            raise DataError(f"{folder} has more than {MOST_FOLDERS:,} folders; name one that is nearer to the files")
        level = [path for inside in level for path in sorted(inside.iterdir()) if _is_open_folder(path)]
    return found


def _is_open_folder(path: Path) -> bool:
    """Say whether a folder may be looked into; os.path passes over a link into a closed one, where Path raises."""
    return os.path.isdir(path) and not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK)  # noqa: PTH112


def _named(task: Task, folder: Path, folders: Sequence[Path], split: Split, language: str) -> Iterator[Found]:
    """Yield the files of a split that are there under published names, each group once."""
    known: set[tuple[Path, ...]] = set()
    for base, located in find_in(folders, task, split, language):
        if _inside(folder, located.paths) and located.paths not in known and _holds(located):
            known.add(located.paths)
            names = [path.relative_to(base).as_posix() for path in located.paths]
            targets = [name if "/" in name else f"{task.name}/{name}" for name in names]
            yield Found(located, dict(zip(targets, located.paths, strict=True)))


def _hub_copies(task: Task, folder: Path, folders: Sequence[Path], split: Split, language: str) -> Iterator[Found]:
    """Yield the parquet files of a split in a folder that bears the name of the data set on the hub.

    So they lie in a clone (hellaswag/data/), in a download (Rowan/hellaswag/data/) and in the hub's own cache
    (datasets--Rowan--hellaswag/snapshots/COMMIT/data/).
    """
    for source in sources_of(task, split, language):
        place, _, _ = source.patterns[0].removeprefix("hub/").partition("/")
        if not is_hub(source):
            continue
        names = [fill(pattern.removeprefix(f"hub/{place}/"), language) for pattern in source.patterns]
        for base in folders:
            if _bears(base, place):
                paths = files_of_one_folder(base, names)
                if paths and _inside(folder, paths):
                    located = Located(task, split, language, (Files(task.name, source, paths),))
                    yield Found(located, {f"hub/{place}/{path.relative_to(base).as_posix()}": path for path in paths})


def _bears(folder: Path, place: str) -> bool:
    """Say whether a folder, or one above it, has the name of a data set `owner--name`."""
    return bool({place.partition("--")[2], place, f"datasets--{place}"} & set(folder.parts[-3:]))


def _by_file_name(task: Task, folder: Path, split: Split, language: str) -> Iterator[Found]:
    """Yield the files of a split whose names, without folders, say which split and language it is."""
    for source in sources_of(task, split, language):
        names = [fill(pattern, language) for pattern in source.patterns]
        paths = tuple(folder / Path(name).name for name in names)
        if _tells(source) and all(path.is_file() for path in paths):
            located = Located(task, split, language, (Files(task.name, source, paths),))
            if _holds(located):
                yield Found(located, dict(zip(names, paths, strict=True)))


def _holds(located: Located) -> bool:
    """Say whether files have something of their language: one of all languages may lack it."""
    return located.by_language or len(located.task.languages) == 1 or next(located.rows(), None) is not None


def _tells(source: Source) -> bool:
    """Say whether the file names of a form differ from each other, and from language to language."""
    names = {Path(pattern).name for pattern in source.patterns}
    by_language = not source.by_language or any("{" in name for name in names)
    return by_language and len(names) == len(source.patterns) and not any("*" in name for name in source.patterns)
