"""Tagged sentences as flat arrays, and the F1 of their segments: runs of words that form a chunk or an entity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.metrics.base import Floats

# What a tag without a name is called: one that never occurs in the training file.
UNKNOWN = ""


@dataclass(frozen=True, eq=False)
class Tags(Sequence[list[str]]):
    """Sentences of tags: word w has the tag names[ids[w]]; sentence i has words first_word[i] to first_word[i+1].

    The id -1 is a tag that is none of the names.
    """

    names: tuple[str, ...]
    ids: NDArray[np.integer[Any]]
    first_word: NDArray[np.integer[Any]]

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.first_word) - 1

    @overload
    def __getitem__(self, index: int) -> list[str]: ...

    @overload
    def __getitem__(self, index: slice) -> list[list[str]]: ...

    def __getitem__(self, index: int | slice) -> list[str] | list[list[str]]:
        """Return the tags of a sentence."""
        return list(self)[index]

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the tags of each sentence."""
        names = (*self.names, UNKNOWN)
        tags = [names[i] for i in self.ids.tolist()]
        for start, end in pairwise(self.first_word.tolist()):
            yield tags[start:end]


def tags_of(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> tuple[Tags, Tags]:
    """Return both sides with one list of names; the same words must be tagged on both."""
    if isinstance(predictions, Tags) and isinstance(references, Tags) and predictions.names == references.names:
        pair = predictions, references
    else:
        found = chain.from_iterable(chain(references, predictions))
        ids = {name: i for i, name in enumerate(dict.fromkeys(found))}
        pair = _flat(predictions, ids), _flat(references, ids)
    if not np.array_equal(pair[0].first_word, pair[1].first_word):
        raise ValueError("predictions and references differ in their sentences or in the words of one")
    return pair


def _flat(sentences: Sequence[Sequence[str]], ids: dict[str, int]) -> Tags:
    flat = [ids[tag] for sentence in sentences for tag in sentence]
    first_word = np.cumsum([0, *map(len, sentences)], dtype=np.int64)
    return Tags(tuple(ids), np.array(flat, dtype=np.int64), first_word)


def right_words(predicted: Tags, gold: Tags) -> Floats:
    """Return `[sentences, 2]`: words whose tag is right, and all words; an unknown tag is never right."""
    right = (predicted.ids == gold.ids) & (gold.ids >= 0)
    return np.column_stack([_in_sentences(np.flatnonzero(right), gold), np.diff(gold.first_word)]).astype(np.float64)


def _in_sentences(words: NDArray[np.integer[Any]], tags: Tags) -> NDArray[np.integer[Any]]:
    """Return how many of some words lie in each sentence."""
    sentence = np.searchsorted(tags.first_word, words, side="right") - 1
    return np.bincount(sentence, minlength=len(tags))


@dataclass(frozen=True)
class Segments:
    """A segment begins at each word in `begins[words]` and ends before the next; `kind[words]` < 0 is not counted."""

    begins: NDArray[np.bool_]
    kind: NDArray[np.int16]

    @property
    def counted(self) -> NDArray[np.integer[Any]]:
        """Return the first words of the segments that are counted."""
        return np.flatnonzero(self.begins & (self.kind >= 0))


def segments(tags: Tags, *, kinds: Sequence[int], alone: Sequence[bool]) -> Segments:
    """Cut sentences where the kind of tag changes, and before each tag that always begins a segment.

    `kinds` and `alone` have an entry for each name, and a last one for an unknown tag.
    """
    kind = np.array(kinds, dtype=np.int16)[tags.ids]
    begins = np.array(alone, dtype=bool)[tags.ids]
    begins[1:] |= kind[1:] != kind[:-1]
    begins[tags.first_word[tags.first_word < len(begins)]] = True
    return Segments(begins, kind)


def segment_counts(predicted: Segments, gold: Segments, tags: Tags) -> Floats:
    """Return `[sentences, 3]`: right, predicted and gold segments; right if kind, first and last word agree.

    `tags` says where sentences begin.
    """
    either = np.flatnonzero(predicted.begins | gold.begins)
    both = (predicted.begins & gold.begins)[either]
    # Two segments that begin together also end together if the next to begin on either side begins on both.
    together = both & np.append(both, True)[1:]
    right = together & (predicted.kind[either] == gold.kind[either]) & (gold.kind[either] >= 0)
    words = either[right], predicted.counted, gold.counted
    return np.column_stack([_in_sentences(some, tags) for some in words]).astype(np.float64)
