"""What a task states about itself: one file per task fills in one Task."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import (
    ChoiceExample,
    Example,
    Kind,
    SequenceExample,
    SpanExample,
    TextExample,
    TokenExample,
)
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.metrics.base import Metric
from xstilts_hpc.next_command import for_data
from xstilts_hpc.tasks.download import Download, HubFiles


class BadRowError(DataError):
    """A row that cannot be read: readers yield it in its place and go on, so that it can be counted."""


Parser = Callable[[tuple[Path, ...], str], Iterator[Example | BadRowError]]


class Split(StrEnum):
    """A part of a data set; `test` is also the name of an only evaluation set.

    `translated` is the English training split machine-translated into another language.
    """

    TRAIN = "train"
    TRANSLATED = "translated"
    DEV = "dev"
    TEST = "test"

    @property
    def trains(self) -> bool:
        """Say whether the split is trained on, so that a few bad rows may be left out of it."""
        return self in (Split.TRAIN, Split.TRANSLATED)


class Role(StrEnum):
    """What a task may be used as in a grid; `mixed_in` is text for masked-language modelling."""

    INTERMEDIATE = "intermediate"
    TARGET = "target"
    MIXED_IN = "mixed in"


@dataclass(frozen=True)
class Source:
    """One published form of a split: file patterns with `{language}`, `{language3}` or `{name}`, and who reads them.

    `languages` limits it to some of the task's (empty: all). One that is not `usable` is known, but never counts as
    found; reading it is an error that says why.
    """

    split: Split
    patterns: tuple[str, ...]
    parse: Parser
    languages: tuple[str, ...] = ()
    usable: bool = True

    @property
    def by_language(self) -> bool:
        """Say whether each language has files of its own."""
        return any("{" in pattern for pattern in self.patterns)


@dataclass(frozen=True)
class Departure:
    """A number of examples that a known copy of a split has instead of the published one, and why."""

    split: Split
    language: str
    examples: int
    reason: str


@dataclass(frozen=True)
class Task:
    """A data set with a question, labels and a metric.

    `training_set` is the task whose English training split is fine-tuned on (XNLI's is MNLI's), "" where nothing is
    trained. `recipe` holds this task's departures from the default recipe. `labels` of a token task may be empty: they
    are then those of its training file (DataFolder.with_labels). A task with `union` has no sources of its own: its
    examples are those of the other tasks, one after the other. `unanswerable`: some questions have no answer.
    `mining`: pairs are mined from two pools, with a threshold from dev; else each sentence takes its nearest.
    `dev_set`: what the dev split is, where its name does not say it. `parallel`: an example has the same id in every
    language, of which it is a translation. `strata`: what the `group` of its examples is, where subsets keep the shares
    of that as well as of the labels. `published` counts the examples of the publishers' files by split and language,
    `characters` is the mean length of one in a sample of them: what a plan without the data goes by. `downloads` are
    the publishers' files, `translations` those of the training set by language, `hub` copies on the hub; `by_hand`
    says what to do where a licence or a dead link leaves nothing to download. `rough` says why the numbers of
    `published` need not be those that are read, "" where they are; `departures` are the numbers of copies that are
    known to differ. `code` is the digest of the code of a task that another package defines ("" for those that ship):
    it is part of what pins data.
    """

    name: str
    title: str
    kind: Kind
    roles: frozenset[Role]
    metric: Metric
    sources: tuple[Source, ...]
    origin: str
    licence: str
    languages: tuple[str, ...] = (ENGLISH,)
    labels: tuple[str, ...] = ()
    training_set: str = ""
    recipe: Mapping[str, int | float] = field(default_factory=dict)
    union: tuple["Task", ...] = ()
    unanswerable: bool = False
    mining: bool = False
    dev_set: str = ""
    parallel: bool = False
    strata: str = ""
    published: Mapping[Split, Mapping[str, int]] = field(default_factory=dict)
    characters: float = 0.0
    downloads: tuple[Download, ...] = ()
    translations: Mapping[str, Download] = field(default_factory=dict)
    hub: tuple[HubFiles, ...] = ()
    by_hand: str = ""
    rough: str = ""
    departures: tuple[Departure, ...] = ()
    code: str = ""

    def needs_dev(self, split: Split) -> bool:
        """Say whether a split cannot be scored without dev: pairs are mined with a threshold from there."""
        return self.mining and split is Split.TEST

    def how_to_get(self, data: Path, split: Split = Split.TRAIN, language: str = ENGLISH) -> str:
        """Return the command that fetches the files into a data folder, or what to do where there is none."""
        translated = f" --translated {language}" if split is Split.TRANSLATED else ""
        fetched = f"xstilts data fetch {self.name}{translated}" if self.downloads or self.union else ""
        return self.by_hand or (for_data(fetched, data) if fetched else f"get it from {self.origin}")

    @property
    def open_labels(self) -> bool:
        """Say whether the labels are known only from the training file."""
        return self.kind is Kind.TOKEN and not self.labels

    @property
    def rows_per_item(self) -> int:
        """Return how many rows a model reads of one item: one per choice."""
        return len(self.labels) if self.kind is Kind.CHOICE else 1

    @property
    def trains(self) -> bool:
        """Say whether the task is fine-tuned on before it is evaluated."""
        return bool(self.training_set)


INTERMEDIATE = frozenset({Role.INTERMEDIATE})
TARGET = frozenset({Role.TARGET})
MIXED_IN = frozenset({Role.MIXED_IN})


def training_split_of(task: Task, language: str) -> Split:
    """Return the split that holds training examples in a language: English, text as it is, or translated."""
    plain = language == ENGLISH or Role.MIXED_IN in task.roles
    return Split.TRAIN if plain else Split.TRANSLATED


def in_english(train: int, dev: int = 0) -> dict[Split, dict[str, int]]:
    """Return how many examples the English training set has, and the dev set if it is counted."""
    counts = {Split.TRAIN: {ENGLISH: train}, Split.DEV: {ENGLISH: dev}}
    return {split: count for split, count in counts.items() if count[ENGLISH]}


def has_gold(example: Example) -> bool:
    """Say whether the file an example was read from gives the right answer; plain text is its own."""
    if isinstance(example, (SequenceExample, ChoiceExample)):
        return example.label is not None
    if isinstance(example, TokenExample):
        return example.tags is not None
    if isinstance(example, SpanExample):
        return example.answers is not None
    return isinstance(example, TextExample) or example.translations is not None


def stratum(task: Task, example: Example) -> str:
    """Return what subsets are stratified by: the label and what the task names, or whether there is an answer."""
    if isinstance(example, (SequenceExample, ChoiceExample)):
        return f"{example.label} {example.group}".rstrip() if task.strata else str(example.label)
    if isinstance(example, SpanExample) and task.unanswerable:
        return "answerable" if example.answers else "unanswerable"
    return ""


def text_length(example: Example) -> int:
    """Return the number of characters a model reads of one example, the prompt anew with every choice."""
    return sum(map(len, _texts(example)))


def _texts(example: Example) -> tuple[str, ...]:
    if isinstance(example, SequenceExample):
        return example.first, example.second
    if isinstance(example, ChoiceExample):
        return tuple(text for choice in example.choices for text in (example.prompt, choice))
    if isinstance(example, TokenExample):
        return example.words
    if isinstance(example, SpanExample):
        return example.question, example.context
    return (example.text,)
