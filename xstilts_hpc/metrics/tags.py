"""Tagged sentences as flat arrays, and the F1 of their segments: runs of words that form a chunk or an entity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.metrics.base import f1_from_counts

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


def share_of_right_words(predicted: Tags, gold: Tags) -> float:
    """Return the share of words whose tag is right; an unknown tag is never right."""
    right = np.count_nonzero((predicted.ids == gold.ids) & (gold.ids >= 0))
    return right / len(gold.ids) if len(gold.ids) else 0.0


@dataclass(frozen=True)
class Segments:
    """A segment begins at each word in `begins[words]` and ends before the next; `kind[words]` < 0 is not counted."""

    begins: NDArray[np.bool_]
    kind: NDArray[np.int16]

    @property
    def count(self) -> int:
        """Return the number of segments that are counted."""
        return int(np.count_nonzero(self.begins & (self.kind >= 0)))


def segments(tags: Tags, *, kinds: Sequence[int], alone: Sequence[bool]) -> Segments:
    """Cut sentences where the kind of tag changes, and before each tag that always begins a segment.

    `kinds` and `alone` have an entry for each name, and a last one for an unknown tag.
    """
    kind = np.array(kinds, dtype=np.int16)[tags.ids]
    begins = np.array(alone, dtype=bool)[tags.ids]
    begins[1:] |= kind[1:] != kind[:-1]
    begins[tags.first_word[tags.first_word < len(begins)]] = True
    return Segments(begins, kind)


def segments_f1(predicted: Segments, gold: Segments) -> dict[str, float]:
    """Return F1, precision and recall: a segment is right if kind, first and last word agree."""
    either = np.flatnonzero(predicted.begins | gold.begins)
    both = (predicted.begins & gold.begins)[either]
    # Two segments that begin together also end together if the next to begin on either side begins on both.
    together = both & np.append(both, True)[1:]
    right = together & (predicted.kind[either] == gold.kind[either]) & (gold.kind[either] >= 0)
    return f1_from_counts(int(np.count_nonzero(right)), predicted.count, gold.count)
