"""Encode questions on contexts: sliding windows over the context, answers mapped by character offsets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.data.columns import Columns, Integers, cut, first_of, join_rows, runs
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.data.tokens import specials_of, tokenize, tokenize_with_offsets
from xstilts_hpc.errors import GridError
from xstilts_hpc.examples import SpanExample
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks.base import Task


@dataclass(frozen=True)
class _Windows:
    """Windows over contexts: `example`, `number` (within the example), first token, number of tokens."""

    example: Integers
    number: Integers
    start: Integers
    length: Integers


def encode_spans(tokenizer: Any, task: Task, examples: Sequence[SpanExample], recipe: Recipe) -> Columns:
    """Return a row per window: `context_begin` (index of its first context token), `offsets` (flat character pairs),
    `max_context` per context token, and `gold` = start and end index in `input_ids` (0 where not in the window).
    """
    index_of: dict[str, int] = {}
    context_of = np.array([index_of.setdefault(e.context, len(index_of)) for e in examples], dtype=np.int64)
    contexts, offsets = _contexts(tokenizer, list(index_of))
    questions = tokenize(tokenizer, [example.question for example in examples])
    asked = np.minimum(questions.lengths(), recipe.max_query_length)
    specials = specials_of(tokenizer)
    windows = _windows(contexts.lengths()[context_of], _room(asked, specials.of_pair, recipe), recipe.doc_stride)
    context, rows = context_of[windows.example], np.arange(len(windows.example))
    shown = offsets[runs(contexts.first[context] + windows.start, windows.length)]
    begin = asked[windows.example] + 1 + len(specials.between)
    question = cut(questions, windows.example, np.zeros_like(rows), asked[windows.example])
    ids = cut(contexts, context, windows.start, windows.length)
    whole = join_rows([specials.before], question, list(specials.between), ids, [specials.after])
    more: dict[str, Ragged | Integers] = {
        "context_begin": begin,
        "offsets": Ragged(shown.reshape(-1), ids.first * 2),
        "max_context": Ragged(_most_context(windows), ids.first),
    }
    return Columns(whole, _gold(examples, windows, shown, begin), windows.example, more)


def _room(questions: Integers, specials: int, recipe: Recipe) -> Integers:
    """Return how many context tokens fit beside questions of so many tokens, and special ones."""
    room = recipe.max_length - questions - specials
    if (room < 1).any():
        raise GridError(
            f"recipe.max_length {recipe.max_length} leaves no room for a context beside a question of "
            f"{questions.max()} tokens and {specials} special ones; raise it, or lower max_query_length"
        )
    return room


def _contexts(tokenizer: Any, texts: Sequence[str]) -> tuple[Ragged, Integers]:
    """Return the ids of texts, and the characters of every token without white space at its edges.

    SentencePiece marks the space before a word in the token of the word.
    """
    ids, offsets = tokenize_with_offsets(tokenizer, texts)
    first = first_of([len(text) for text in texts])
    before = np.repeat(first[:-1], ids.lengths())[:, None]
    return ids, _trimmed(_is_space("".join(texts)), offsets + before) - before


def _is_space(text: str) -> NDArray[np.bool_]:
    """Return which characters are white space, by Python's own idea of it."""
    codes, code_of = np.unique(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), return_inverse=True)
    return np.array([chr(code).isspace() for code in codes], dtype=bool)[code_of]


def _trimmed(space: NDArray[np.bool_], spans: Integers) -> Integers:
    """Return spans of characters without white space at their edges; one of nothing else is empty, at its end."""
    end = np.arange(len(space) + 1)
    next_text = np.minimum.accumulate(np.where(np.append(space, False), len(space), end)[::-1])[::-1]
    behind_text = np.maximum.accumulate(np.where(np.append(True, space), 0, end))
    start = np.minimum(next_text[spans[:, 0]], spans[:, 1])
    return np.stack([start, np.maximum(behind_text[spans[:, 1]], start)], axis=1)


def _windows(tokens: Integers, room: Integers, stride: int) -> _Windows:
    """Return the windows over contexts of so many tokens: they start every `stride` tokens, as in BERT's code."""
    step = np.minimum(stride, room)
    count = 1 + np.maximum(0, -(-(tokens - room) // step))
    example = np.repeat(np.arange(len(tokens)), count)
    number = runs(np.zeros_like(count), count)
    start = number * step[example]
    return _Windows(example, number, start, np.minimum(room[example], tokens[example] - start))


def _most_context(windows: _Windows) -> Integers:
    """Return 1 for each token of each window that shows it with the most context on its poorer side, else 0.

    Of equals the longer window has it, and then the first, as in BERT's code.
    """
    length = np.repeat(windows.length, windows.length)
    within = runs(np.zeros_like(windows.length), windows.length)
    score = np.minimum(within, length - 1 - within) + 0.01 * length
    # Windows cover their context from its first token to its last, so a context's tokens are numbered without gaps.
    end = np.zeros(int(windows.example.max(initial=-1)) + 1, np.int64)
    end[windows.example] = windows.start + windows.length
    token = np.repeat(first_of(end)[windows.example] + windows.start, windows.length) + within
    best = np.full(int(end.sum()), -1.0)
    np.maximum.at(best, token, score)
    number = np.repeat(windows.number, windows.length)
    winner = np.full(len(best), np.iinfo(np.int64).max)
    equal = score == best[token]
    np.minimum.at(winner, token[equal], number[equal])
    wins: NDArray[np.bool_] = winner[token] == number
    return wins.astype(np.int64)


def _gold(examples: Sequence[SpanExample], windows: _Windows, offsets: Integers, begin: Integers) -> Ragged:
    """Return start and end index of the first answer in each window; 0 and 0 where it does not stand there whole."""
    known = np.array([example.answers is not None for example in examples], dtype=bool)[windows.example]
    answers = np.array([_answer(example) for example in examples], dtype=np.int64).reshape(-1, 2)[windows.example]
    row = np.repeat(np.arange(len(begin)), windows.length)
    inside = np.flatnonzero((offsets[:, 1] > answers[row, 0]) & (offsets[:, 0] < answers[row, 1]))
    first, last = np.full(len(begin), -1), np.full(len(begin), -1)
    first[row[inside[::-1]]] = inside[::-1]  # of several assignments to one row the last one stays
    last[row[inside]] = inside
    whole = first >= 0
    whole[whole] = (offsets[first[whole], 0] <= answers[whole, 0]) & (offsets[last[whole], 1] >= answers[whole, 1])
    shift = begin - first_of(windows.length)[:-1]
    gold = np.where(whole[:, None], np.stack([first, last], axis=1) + shift[:, None], 0)
    return Ragged(gold[known].reshape(-1), first_of(np.where(known, 2, 0)))


def _answer(example: SpanExample) -> tuple[int, int]:
    """Return the characters of the first answer without white space at its edges, an empty span where there is none."""
    if not example.answers:
        return 0, 0
    answer = example.answers[0]
    start, end = answer.start, answer.start + len(answer.text)
    while start < end and example.context[start].isspace():
        start += 1
    while end > start and example.context[end - 1].isspace():
        end -= 1
    return start, end
