"""What a task states about itself: one file per task fills in one Task."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from xstilts_hpc.examples import ChoiceExample, Example, Kind, SequenceExample, SpanExample, TokenExample
from xstilts_hpc.languages import ENGLISH
from xstilts_hpc.metrics.base import Metric

Parser = Callable[[tuple[Path, ...], str], Iterator[Example]]


class Split(StrEnum):
    """A part of a data set; `test` is also the name of an only evaluation set."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


class Role(StrEnum):
    """What a task may be used as in a grid."""

    INTERMEDIATE = "intermediate"
    TARGET = "target"


@dataclass(frozen=True)
class Source:
    """One published form of a split: file patterns with `{language}` or `{language3}`, and who reads them."""

    split: Split
    patterns: tuple[str, ...]
    parse: Parser

    @property
    def by_language(self) -> bool:
        """Say whether each language has files of its own."""
        return any("{" in pattern for pattern in self.patterns)


@dataclass(frozen=True)
class Task:
    """A data set with a question, labels and a metric.

    `training_set` is the task whose English training split is fine-tuned on (XNLI's is MNLI's), "" where nothing is
    trained. `recipe` holds this task's departures from the default recipe.
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

    @property
    def trains(self) -> bool:
        """Say whether the task is fine-tuned on before it is evaluated."""
        return bool(self.training_set)


INTERMEDIATE = frozenset({Role.INTERMEDIATE})
TARGET = frozenset({Role.TARGET})


def has_gold(example: Example) -> bool:
    """Say whether the file an example was read from gives the right answer."""
    if isinstance(example, (SequenceExample, ChoiceExample)):
        return example.label is not None
    if isinstance(example, TokenExample):
        return example.tags is not None
    if isinstance(example, SpanExample):
        return example.answers is not None
    return example.translation is not None


def stratum(example: Example) -> str:
    """Return what subsets are stratified by: the label where there is one, else nothing."""
    if isinstance(example, (SequenceExample, ChoiceExample)):
        return str(example.label)
    return ""
