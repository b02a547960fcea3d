"""Encode sentences of words: every word gets a position, over-long sentences are cut between words."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from xstilts_hpc.data.columns import Columns, Integers, first_of, gather, join_rows
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.data.tokens import specials_of, tokenize, word_mark
from xstilts_hpc.examples import TokenExample
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks.base import Task

# A word of more pieces than this is no word; XTREME's and the study's code make it <unk>.
MAX_PIECES = 100
# The class of a tag that the training file does not have: no logits row can be right.
UNKNOWN_TAG = -1


def encode_words(tokenizer: Any, task: Task, examples: Sequence[TokenExample], recipe: Recipe) -> Columns:
    """Return columns where `word_position` holds the index of each word's first token, `gold` its label.

    A sentence that does not fit gives several rows, cut between words, so that every word has a prediction.
    """
    room = recipe.max_length - 2
    pieces = _pieces(tokenizer, examples, longest=min(MAX_PIECES, room))
    first_word = first_of([len(example.words) for example in examples])
    first_piece = pieces.first
    example, row_word = _rows(first_word, first_piece, room)
    row_words = np.diff(row_word)
    before = np.repeat(first_piece[row_word[:-1]], row_words)
    ids = Ragged(pieces.values, first_piece[row_word])
    specials = specials_of(tokenizer)
    whole = join_rows([specials.before], ids, [specials.after])
    position = Ragged(first_piece[:-1] - before + 1, row_word)
    return Columns(whole, _gold(task, examples, example, row_words), example, {"word_position": position})


def _pieces(tokenizer: Any, examples: Sequence[TokenExample], *, longest: int) -> Ragged:
    """Return the token ids of every word, one row each; each distinct word is tokenised once.

    One that gives none (a zero-width character) or more than `longest` becomes <unk>.
    """
    index_of: dict[str, int] = {}
    words = [index_of.setdefault(word, len(index_of)) for example in examples for word in example.words]
    mark = word_mark(tokenizer)
    pieces = tokenize(tokenizer, [mark + word for word in index_of])
    lengths = pieces.lengths()
    usable = (lengths > 0) & (lengths <= longest)
    # <unk> stands behind the pieces of the last word, as a row of its own that the others point at.
    known = Ragged(np.append(pieces.values, tokenizer.unk_token_id), np.append(pieces.first, pieces.first[-1] + 1))
    row_of = np.where(usable, np.arange(len(usable)), len(usable))
    return gather(known, row_of[np.array(words, dtype=np.int64)])


def _rows(first_word: Integers, first_piece: Integers, room: int) -> tuple[Integers, Integers]:
    """Return the example of each row, and the first word of each row (and behind the last, the end)."""
    num_pieces = np.diff(first_piece[first_word])
    cuts = [
        (i, word)
        for i in np.flatnonzero(num_pieces > room)
        for word in _cuts(first_piece, int(first_word[i]), int(first_word[i + 1]), room)
    ]
    extra = np.array(cuts, dtype=np.int64).reshape(-1, 2)
    example = np.concatenate([np.arange(len(first_word) - 1), extra[:, 0]])
    start = np.concatenate([first_word[:-1], extra[:, 1]])
    order = np.lexsort((start, example))
    return example[order], np.append(start[order], first_word[-1])


def _cuts(first_piece: Integers, start: int, stop: int, room: int) -> Iterator[int]:
    """Yield the words before which a sentence is cut, each piece as long as fits."""
    for word in range(start, stop):
        if first_piece[word + 1] - first_piece[start] > room and word > start:
            yield word
            start = word


def _gold(task: Task, examples: Sequence[TokenExample], example: Integers, row_words: Integers) -> Ragged:
    """Return the label of each word of each row; none in the rows of an example without tags."""
    index_of = {label: i for i, label in enumerate(task.labels)}
    tags = chain.from_iterable(example.tags or () for example in examples)
    labels = np.array([index_of.get(tag, UNKNOWN_TAG) for tag in tags], dtype=np.int64)
    tagged = np.array([bool(example.tags) for example in examples], dtype=bool)
    return Ragged(labels, first_of(np.where(tagged[example], row_words, 0)))
