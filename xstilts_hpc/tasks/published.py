"""The data as their publishers count them: what a plan is made with before any file is here."""

from collections.abc import Sequence
from typing import Any

from xstilts_hpc.errors import DataError
from xstilts_hpc.files import digest_of
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.tasks.base import Split, Task, training_split_of


class PublishedData:
    """Answers what a plan asks of a DataFolder from what each task states of itself; digests pin nothing.

    Lengths are means of small samples. Every language of a task is there, and everything has the right answers.
    """

    root = "the published sizes"

    def has(self, task: Task, split: Split, language: str = ENGLISH) -> bool:
        """Say whether a split is counted."""
        return all(language in part.published.get(split, {}) for part in task.union or (task,))

    def locate(self, task: Task, split: Split, language: str = ENGLISH) -> None:
        """Raise DataError where a split is not counted."""
        if not self.has(task, split, language):
            raise DataError(f"{task.title}: no count of its {split} split in {language} is known; plan with its files")

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        """Return the languages of a split."""
        return tuple(code for code in task.languages if self.has(task, split, code))

    def evaluation_split(self, task: Task) -> Split:
        """Return the split that is scored by default: the one of most languages, of equals test."""
        return max((Split.TEST, Split.DEV), key=lambda split: len(self.languages(task, split)))

    def facts(self, task: Task, split: Split, language: str = ENGLISH) -> dict[str, Any]:
        """Return what DataFolder.facts does, without labels; a union has the examples of its parts."""
        self.locate(task, split, language)
        counts = [(part.published[split][language], part.characters) for part in task.union or (task,)]
        examples = sum(count for count, _ in counts)
        characters = sum(count * length for count, length in counts) / max(1, examples)
        digest = digest_of(["published", task.name, split, language])
        return {"digest": digest, "examples": examples, "gold": True, "characters": characters, "bad": []}

    def training_split(self, task: Task, language: str) -> Split:
        """Return the split that holds training examples in a language."""
        return training_split_of(task, language)

    def training_digest(self, task: Task, languages: Sequence[str]) -> str:
        """Return a digest of the names of a task's training sets."""
        return digest_of(["published", task.name, *languages])
