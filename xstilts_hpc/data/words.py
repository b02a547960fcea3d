"""Encode sentences of words: every word gets a position, over-long sentences are cut between words."""

from collections.abc import Iterator, Sequence
from typing import Any

from xstilts_hpc.examples import TokenExample
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks.base import Task

# A word of more pieces than this is no word; XTREME's and the study's code make it <unk>.
MAX_PIECES = 100


def encode_words(
    tokenizer: Any, task: Task, examples: Sequence[TokenExample], recipe: Recipe
) -> Iterator[dict[str, Any]]:
    """Yield rows whose `word_position` holds the index of each word's first token, `gold` its label.

    A sentence that does not fit gives several rows, cut between words, so that every word has a prediction.
    """
    room = recipe.max_length - 2
    pieces_of = _pieces(tokenizer, examples, longest=min(MAX_PIECES, room))
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    for i, example in enumerate(examples):
        labels = [task.labels.index(tag) for tag in example.tags] if example.tags else []
        for start, stop in _cuts([len(pieces_of[word]) for word in example.words], room):
            pieces = [pieces_of[word] for word in example.words[start:stop]]
            ids, positions = [cls], []
            for piece in pieces:
                positions.append(len(ids))
                ids.extend(piece)
            yield {"input_ids": [*ids, sep], "gold": labels[start:stop], "example": i, "word_position": positions}


def _pieces(tokenizer: Any, examples: Sequence[TokenExample], *, longest: int) -> dict[str, list[int]]:
    """Return the token ids of every distinct word.

    One that gives none (a zero-width character) or more than `longest` becomes <unk>.
    """
    words = list(dict.fromkeys(word for example in examples for word in example.words))
    encoded = tokenizer(words, add_special_tokens=False)["input_ids"] if words else []
    unknown = [tokenizer.unk_token_id]
    return {word: ids if 0 < len(ids) <= longest else unknown for word, ids in zip(words, encoded, strict=True)}


def _cuts(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Yield (first word, word behind the last) of pieces of a sentence that fit."""
    start, used = 0, 0
    for i, length in enumerate(lengths):
        if used + length > room and i > start:
            yield start, i
            start, used = i, 0
        used += length
    yield start, len(lengths)
