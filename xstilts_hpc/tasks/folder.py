"""Find a task's files in whatever layout a user has them, and say what is in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, TokenExample
from xstilts_hpc.files import Memory, digest_of, sha256_of, stat_key
from xstilts_hpc.languages import ENGLISH, LANGUAGES, MADE_UP
from xstilts_hpc.tasks.base import BadRowError, Role, Source, Split, Task, has_gold, text_length, training_split_of
from xstilts_hpc.tasks.checked import checked_rows
from xstilts_hpc.tasks.hub import files_of_one_folder, is_hub, refused_part

# A data root may be XTREME's download/ folder, a folder above it, or one folder per task.
_PREFIXES = ("", "download/", "intermediate/")
# Raised when other facts are found out about the same files.
_FACTS = 6
_FORM = {"digest": str, "examples": int, "gold": bool, "characters": (int, float), "bad": [str], "labels": [str]}


# Of the rows of a training file so many may be unreadable; they are left out and listed.
_MOST_BAD = 0.001
_LISTED = 10


@dataclass(frozen=True)
class Files:
    """Files on disk, and the source that reads them; `name` is the task they belong to."""

    name: str
    source: Source
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Located:
    """The files that hold one split of a task in one language: of several tasks where it is a union of them."""

    task: Task
    split: Split
    language: str
    parts: tuple[Files, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return all files."""
        return tuple(path for part in self.parts for path in part.paths)

    @property
    def by_language(self) -> bool:
        """Say whether each language has files of its own."""
        return all(part.source.by_language for part in self.parts)

    def rows(self) -> Iterator[Example | BadRowError]:
        """Yield examples and unreadable rows in the order of the files."""
        for part in self.parts:
            read = part.source.parse(part.paths, self.language)
            for row in checked_rows(self.task, part.paths, read) if self.task.code else read:
                if isinstance(row, BadRowError) or is_sound(row):
                    yield _named(row, part.name) if self.task.union else row
                else:
                    names = ", ".join(map(str, part.paths))
                    yield BadRowError(f"{names}: the id {row.id!r} cannot be stored; fetch the file again")

    def changed(self) -> str:
        """Return what to say where the data are no longer those of a plan."""
        names = ", ".join(map(str, self.paths))
        return f"{names}: changed, or the code of task {self.task.name} did," if self.task.code else f"{names}: changed"

    def examples(self) -> Iterator[Example]:
        """Yield the examples; an unreadable row is an error, except in training data, where it is left out."""
        for row in self.rows():
            if not isinstance(row, BadRowError):
                yield row
            elif not self.split.trains:
                raise row


def is_sound(row: Example) -> bool:
    """Say whether the id of an example can be stored: it has no zero, and no half of a surrogate pair."""
    try:
        return b"\0" not in row.id.encode()
    except UnicodeEncodeError:
        return False


def _named(row: Example | BadRowError, name: str) -> Example | BadRowError:
    """Return the example with an id that is unique in a union."""
    return row if isinstance(row, BadRowError) else replace(row, id=f"{name}/{row.id}")


@dataclass
class DataFolder:
    """A folder of data sets; digests and counts are remembered while files do not change."""

    root: Path
    memory: Memory
    _facts: dict[tuple[str, Split, str], dict[str, Any]] = field(default_factory=dict)
    _located: dict[tuple[str, Split, str], Located | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a folder that is not there."""
        if not self.root.is_dir():
            raise DataError(
                f"data folder {self.root} does not exist; `xstilts data fetch` makes ROOT/data, `xstilts demo` makes "
                "ROOT/miniature/data; if the data are elsewhere, say --root ROOT, or `data:` in the grid "
                "(`xstilts plan GRID --published` does without)"
            )

    def locate(self, task: Task, split: Split, language: str = ENGLISH) -> Located:
        """Return the files of a split; none is a DataError that lists where they were looked for."""
        located = self._find(task, split, language)
        if located is None:
            raise DataError(self._not_found(task, split, language))
        return located

    def has(self, task: Task, split: Split, language: str = ENGLISH) -> bool:
        """Say whether the files of a split are here."""
        return self._find(task, split, language) is not None

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """Return the task's languages (and made-up ones) whose files are here and hold the right answers."""
        codes = (*task.languages, *MADE_UP) if Role.TARGET in task.roles else task.languages
        return tuple(code for code in codes if self._labelled(task, split, code))

    def _labelled(self, task: Task, split: Split, language: str) -> bool:
        located = self._find(task, split, language)
        if located is None or (task.needs_dev(split) and not self._labelled(task, Split.DEV, language)):
            return False
        # A file of all languages may lack this one; a file of one language may not be empty.
        if not located.by_language and next(located.examples(), None) is None:
            return False
        return bool(self.facts(task, split, language)["gold"])

    def evaluation_split(self, task: Task) -> Split:
        """Return the split that is scored by default: the one with labels in the most languages, of equals test."""
        numbers = {split: len(self.languages(task, split)) for split in (Split.TEST, Split.DEV)}
        if not any(numbers.values()):
            threshold = " (test needs dev's too, for its threshold)" if task.mining else ""
            not_found = self._not_found(task, Split.TEST, task.languages[0])
            raise DataError(f"{not_found}; or no file there has labels{threshold}")
        return max(numbers, key=numbers.__getitem__)

    def facts(self, task: Task, split: Split, language: str = ENGLISH) -> dict[str, Any]:
        """Return what is in a split.

        `digest` (of the files, and of another package's code that reads them), `examples` (count), `gold` (has right
        answers), `characters` (mean length), `bad` (unreadable rows of training data, left out), and `labels` (the tags
        of a task whose labels stand in its training file).
        A task with a threshold from dev has dev's digest in that of its test split.
        """
        key = (task.name, split, language)
        if key not in self._facts:
            located = self.locate(task, split, language)
            parsers = [part.source.parse.__name__ for part in located.parts]
            pinned = [_FACTS, task.name, language, parsers, stat_key(located.paths), *_code(task)]
            facts = self.memory.recall(digest_of(pinned), _FORM, lambda: read_facts(located))
            if task.needs_dev(split):
                digests = [facts["digest"], self.facts(task, Split.DEV, language)["digest"]]
                facts = {**facts, "digest": digest_of(digests)}
            self._facts[key] = facts
        return self._facts[key]

    def training_split(self, task: Task, language: str) -> Split:
        """Return the split that holds training examples in a language: English, text as it is, or translated."""
        return training_split_of(task, language)

    def training_digest(self, task: Task, languages: Sequence[str]) -> str:
        """Return the digest of a task's training data in some languages."""
        digests = [self.facts(task, self.training_split(task, code), code)["digest"] for code in languages]
        return str(digests[0]) if tuple(languages) == (ENGLISH,) else digest_of([*languages, *digests])

    def with_labels(self, task: Task) -> Task:
        """Return the task with its labels: where it has none of its own, the tags of its whole training file."""
        return replace(task, labels=tuple(self.facts(task, Split.TRAIN)["labels"])) if task.open_labels else task

    def _find(self, task: Task, split: Split, language: str) -> Located | None:
        key = (task.name, split, language)
        if key not in self._located:
            self._located[key] = self._search(task, split, language)
        return self._located[key]

    def _search(self, task: Task, split: Split, language: str) -> Located | None:
        if task.union:
            found = [self._find(part, split, language) for part in task.union]
            parts = tuple(files for located in found if located for files in located.parts)
            return Located(task, split, language, parts) if all(found) else None
        return next((located for _, located in find_in(self._folders(task), task, split, language)), None)

    def _folders(self, task: Task) -> list[Path]:
        bases = [self.root / prefix for prefix in _PREFIXES]
        return [folder for base in bases for folder in (base, base / task.name)]

    def _not_found(self, task: Task, split: Split, language: str) -> str:
        for part in task.union:
            if not self.has(part, split, language):
                return f"{task.title} needs all of {', '.join(p.title for p in task.union)}; " + self._not_found(
                    part, split, language
                )
        names = " or ".join(fill(form, language) for form in forms_of(task, split, language))
        names = names or "(the task has no such split)"
        return (
            f"{task.title}: no {split} file for language {language} under {self.root}; expected {names}"
            f" (also under download/, intermediate/ or {task.name}/); to get it: "
            + task.how_to_get(self.root, split, language)
            + (f"; not used: {why}" if (why := self.refusal(task, split, language)) else "")
        )

    def refusal(self, task: Task, split: Split, language: str) -> str:
        """Return why a copy of a split that is here must not be used; "" where there is no such copy."""
        refused = find_in(self._folders(task), refused_part(task), split, language)
        return next((reason_against(located) for _, located in refused), "")


def _code(task: Task) -> list[str]:
    """Return what pins the reader of a task's files: of those that ship, run.METHOD does."""
    return [task.code] if task.code else []


def forms_of(task: Task, split: Split, language: str) -> list[str]:
    """Return the forms that the files of a split may have, each as its patterns."""
    return [" + ".join(source.patterns) for source in sources_of(task, split, language)]


def sources_of(task: Task, split: Split, language: str) -> list[Source]:
    """Return the usable forms that a split may have in a language, the preferred one first."""
    sources = [source for source in task.sources if source.split == split and source.usable]
    return [source for source in sources if not source.languages or language in source.languages]


def reason_against(located: Located) -> str:
    """Return what reading the files of a form that must not be used says."""
    try:
        next(located.rows(), None)
    except DataError as error:
        return str(error)
    return f"{located.paths[0]} must not be used"


def find_in(folders: Sequence[Path], task: Task, split: Split, language: str) -> Iterator[tuple[Path, Located]]:
    """Yield (folder, files) for each of some folders that holds a split of a task that is no union.

    The preferred form comes first, in the order of the folders.
    """
    for source in sources_of(task, split, language):
        names = [fill(pattern, language) for pattern in source.patterns]
        for folder in folders:
            paths = files_of_one_folder(folder, names) if is_hub(source) else _matching(folder, names)
            if paths:
                yield folder, Located(task, split, language, (Files(task.name, source, paths),))


def _matching(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of some names, () where one has none; a name with "*" has those of all folders by file name."""
    globbed = [folder.glob(name) if "*" in name else [folder / name] for name in names]
    found = [sorted((p for p in paths if p.is_file()), key=lambda path: (path.name, path)) for paths in globbed]
    return tuple(path for paths in found for path in paths) if all(found) else ()


def fill(pattern: str, language: str) -> str:
    """Return a pattern with the codes or the name of a language in it."""
    return pattern.format(language=language, language3=LANGUAGES[language].code3, name=LANGUAGES[language].name.lower())


def read_facts(located: Located) -> dict[str, Any]:
    """Read the files of a split whole and return what DataFolder.facts does, without remembering it."""
    count, characters, gold = 0, 0, True
    labels: set[str] = set()
    bad: list[str] = []
    for row in located.rows():
        if isinstance(row, BadRowError):
            if not located.split.trains:
                raise row
            bad.append(str(row))
            continue
        count, characters = count + 1, characters + text_length(row)
        gold = gold and has_gold(row)
        if located.task.open_labels and isinstance(row, TokenExample):
            labels.update(row.tags or ())
    _check_counts(located, count, bad)
    digest = digest_of([*map(sha256_of, located.paths), *_code(located.task)])
    facts = {"digest": digest, "examples": count, "gold": gold, "characters": characters / count, "bad": bad}
    return {**facts, "labels": sorted(labels)}


def _check_counts(located: Located, count: int, bad: list[str]) -> None:
    """Refuse files without an example in the language, and training files with too many unreadable rows."""
    names = ", ".join(map(str, located.paths))
    if len(bad) > _MOST_BAD * (count + len(bad)):
        listed = "\n  ".join(bad[:_LISTED])
        shown = f"the first {_LISTED}" if len(bad) > _LISTED else "all"
        raise DataError(
            f"{located.task.title}: {len(bad)} of {count + len(bad)} training rows cannot be read, more than "
            f"{_MOST_BAD:.1%}; fetch {names} again, or mend these rows ({shown}):\n  {listed}"
        )
    if not count:
        raise DataError(f"{names}: no example for {located.task.title} in language {located.language}")
