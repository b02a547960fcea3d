"""What readers yield: one frozen value per example, by kind of task."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The shape of a task's answer."""

    SEQUENCE = "sequence"
    CHOICE = "choice"
    TOKEN = "token"
    SPAN = "span"
    RETRIEVAL = "retrieval"
    MASKED = "masked"


@dataclass(frozen=True, slots=True)
class SequenceExample:
    """A text or a pair of texts with one label (None where the file has no label).

    `group` is what the task stratifies subsets by beside the label, such as a genre; "" where the file does not say.
    """

    id: str
    first: str
    second: str
    label: str | None
    group: str = ""


@dataclass(frozen=True, slots=True)
class ChoiceExample:
    """A prompt with several possible continuations; `label` is the index of the right one.

    `group` is what the task stratifies subsets by beside the label; "" where the file does not say.
    """

    id: str
    prompt: str
    choices: tuple[str, ...]
    label: int | None
    group: str = ""


@dataclass(frozen=True, slots=True)
class TokenExample:
    """A sentence of words with a tag each (None where the file has no tags)."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it stands in the context; `start` counts characters (code points)."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class SpanExample:
    """A question on a context; `answers` is empty where it has none, None where the file does not say."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] | None


@dataclass(frozen=True, slots=True)
class RetrievalExample:
    """A sentence of a pool; `translations` are the ids of its translations in the other pool, None if unknown."""

    id: str
    text: str
    english: bool
    translations: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class TextExample:
    """A line of plain text, for masked-language modelling."""

    id: str
    text: str


Example = SequenceExample | ChoiceExample | TokenExample | SpanExample | RetrievalExample | TextExample
