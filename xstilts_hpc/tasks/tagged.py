"""Sentences of tagged words in columns, the form of PAN-X and of XTREME's part-of-speech files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from xstilts_hpc.errors import DataError
from xstilts_hpc.examples import Example, TokenExample
from xstilts_hpc.tasks.base import BadRowError
from xstilts_hpc.tasks.lines import fields_of, label_in

# A word and its tag: no tag where the file was stripped of them.
TaggedWord = tuple[str, tuple[str, ...]]


def tagged_word(line: str, *, labels: Sequence[str]) -> TaggedWord:
    """Return the word of a `word TAB tag` line with its tag, or of a line without a tag."""
    word, *tags = fields_of(line, (1, 2))
    return word, tuple(label_in(labels, tag) for tag in tags)


def tagged_sentence(number: int, rows: Sequence[TaggedWord]) -> TokenExample:
    """Return the sentence of some rows; all of them have a tag or none has."""
    words, tags = tuple(word for word, _ in rows), tuple(tag for _, tags in rows for tag in tags)
    if tags and len(tags) != len(words):
        raise DataError(f"{len(tags)} of {len(words)} words have a tag, expected all or none: {' '.join(words)[:80]!r}")
    return TokenExample(str(number), words, tags or None)


def numbered(rows: Iterable[Example | BadRowError]) -> Iterator[Example | BadRowError]:
    """Yield sentences with their place among all of them as their id."""
    for number, row in enumerate(rows, 1):
        yield replace(row, id=str(number)) if isinstance(row, TokenExample) else row
