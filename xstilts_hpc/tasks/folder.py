"""Find a task's files in whatever layout a user has them, and say what is in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example
from xstilts_hpc.files import Memory, digest_of, sha256_of, stat_key
from xstilts_hpc.languages import ENGLISH, LANGUAGES, MADE_UP
from xstilts_hpc.tasks.base import Role, Source, Split, Task, has_gold

# A data root may be XTREME's download/ folder, a folder above it, or one folder per task.
_PREFIXES = ("", "download/", "intermediate/")


@dataclass(frozen=True)
class Located:
    """The files that hold one split of a task in one language, and the source that reads them."""

    task: Task
    language: str
    source: Source
    paths: tuple[Path, ...]

    def examples(self) -> Iterator[Example]:
        """Yield the examples in the order of the file."""
        yield from self.source.parse(self.paths, self.language)


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
                f"data folder {self.root} does not exist; set `data:` in the grid to the folder of the data"
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
        if located is None:
            return False
        # A file of all languages may lack this one; a file of one language may not be empty.
        if not located.source.by_language and next(located.examples(), None) is None:
            return False
        return bool(self.facts(task, split, language)["gold"])

    def evaluation_split(self, task: Task) -> Split:
        """Return the split that is scored by default: test if it has labels here, else dev."""
        for split in (Split.TEST, Split.DEV):
            if self.languages(task, split):
                return split
        raise DataError(self._not_found(task, Split.TEST, task.languages[0]) + "; or no file there has labels")

    def facts(self, task: Task, split: Split, language: str = ENGLISH) -> dict[str, Any]:
        """Return `digest`, `examples` (count), `gold` (has right answers) and `characters` (mean length) of a split."""
        key = (task.name, split, language)
        if key not in self._facts:
            located = self.locate(task, split, language)
            pinned = [task.name, language, located.source.parse.__name__, stat_key(located.paths)]
            self._facts[key] = self.memory.recall(digest_of(pinned), lambda: _read_facts(located))
        return self._facts[key]

    def _find(self, task: Task, split: Split, language: str) -> Located | None:
        key = (task.name, split, language)
        if key not in self._located:
            self._located[key] = self._search(task, split, language)
        return self._located[key]

    def _search(self, task: Task, split: Split, language: str) -> Located | None:
        for source in task.sources:
            if source.split != split:
                continue
            names = [_fill(pattern, language) for pattern in source.patterns]
            for folder in self._folders(task):
                paths = tuple(folder / name for name in names)
                if all(path.is_file() for path in paths):
                    return Located(task, language, source, paths)
        return None

    def _folders(self, task: Task) -> list[Path]:
        bases = [self.root / prefix for prefix in _PREFIXES]
        return [folder for base in bases for folder in (base, base / task.name)]

    def _not_found(self, task: Task, split: Split, language: str) -> str:
        patterns = [" + ".join(source.patterns) for source in task.sources if source.split == split]
        names = " or ".join(_fill(pattern, language) for pattern in patterns) or "(the task has no such split)"
        return (
            f"{task.title}: no {split} file for language {language} under {self.root}; expected {names}"
            f" (also under download/, intermediate/ or {task.name}/); get it from {task.origin}"
        )


def _fill(pattern: str, language: str) -> str:
    return pattern.format(language=language, language3=LANGUAGES[language].code3)


def _read_facts(located: Located) -> dict[str, Any]:
    count, characters, gold = 0, 0, True
    for example in located.examples():
        count, characters = count + 1, characters + text_length(example)
        gold = gold and has_gold(example)
    if not count:
        names = ", ".join(map(str, located.paths))
        raise DataError(f"{names}: no example for {located.task.title} in language {located.language}")
    digest = digest_of([sha256_of(path) for path in located.paths])
    return {"digest": digest, "examples": count, "gold": gold, "characters": characters / count}


def text_length(example: Example) -> int:
    """Return the number of characters a model reads for one example (all choices, the whole context)."""
    texts: list[str] = []
    for name in example.__slots__:
        value = getattr(example, name)
        if name not in ("id", "label", "tags", "answers", "translation", "english"):
            texts.extend([value] if isinstance(value, str) else value)
    return sum(map(len, texts))
