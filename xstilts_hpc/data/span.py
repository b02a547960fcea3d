"""Encode questions on contexts: sliding windows over the context, answers mapped by character offsets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xstilts_hpc.errors import GridError
from xstilts_hpc.examples import SpanExample
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks.base import Task

_SPECIALS = 4  # <s> question </s></s> context </s>


@dataclass(frozen=True)
class _Context:
    """A tokenised context: ids and the characters that each token covers."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def encode_spans(
    tokenizer: Any, task: Task, examples: Sequence[SpanExample], recipe: Recipe
) -> Iterator[dict[str, Any]]:
    """Yield a row per window: `context_begin` (index of its first context token), `offsets` (flat character pairs),
    `max_context` per context token, and `gold` = start and end index in `input_ids` (0 where not in the window).
    """
    contexts = _contexts(tokenizer, examples)
    questions = tokenizer([e.question for e in examples], add_special_tokens=False)["input_ids"] if examples else []
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    for i, (example, question) in enumerate(zip(examples, questions, strict=True)):
        context, kept = contexts[example.context], question[: recipe.max_query_length]
        windows = _windows(len(context.ids), _room(len(kept), recipe), recipe.doc_stride)
        for window, (start, stop) in enumerate(windows):
            head = [cls, *kept, sep, sep]
            offsets = context.offsets[start:stop]
            yield {
                "input_ids": [*head, *context.ids[start:stop], sep],
                "gold": _gold(example, offsets, len(head)),
                "example": i,
                "context_begin": len(head),
                "offsets": [position for pair in offsets for position in pair],
                "max_context": [int(_best_window(windows, token) == window) for token in range(start, stop)],
            }


def _room(question: int, recipe: Recipe) -> int:
    """Return how many context tokens fit beside a question of so many tokens."""
    room = recipe.max_length - question - _SPECIALS
    if room < 1:
        raise GridError(
            f"recipe.max_length {recipe.max_length} leaves no room for a context beside a question of {question} "
            f"tokens and {_SPECIALS} special ones; raise it, or lower max_query_length"
        )
    return room


def _contexts(tokenizer: Any, examples: Sequence[SpanExample]) -> dict[str, _Context]:
    texts = list(dict.fromkeys(example.context for example in examples))
    if not texts:
        return {}
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return {text: _Context(ids, [_trim(text, *offset) for offset in offsets]) for text, ids, offsets in pairs}


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the characters of a token without white space at its edges (SentencePiece marks spaces in tokens)."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _windows(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Return the windows (first token, token behind the last): they start every `stride` tokens, as in BERT's code."""
    windows, start = [], 0
    while True:
        stop = min(start + room, tokens)
        windows.append((start, stop))
        if stop == tokens:
            return windows
        start += min(stride, room)


def _best_window(windows: Sequence[tuple[int, int]], token: int) -> int:
    """Return the window in which a token has the most context on its poorer side (ties: the longer window)."""
    inside = [(i, start, stop) for i, (start, stop) in enumerate(windows) if start <= token < stop]
    return max(inside, key=lambda w: min(token - w[1], w[2] - 1 - token) + 0.01 * (w[2] - w[1]))[0]


def _gold(example: SpanExample, offsets: Sequence[tuple[int, int]], begin: int) -> list[int]:
    if example.answers is None:
        return []
    if not example.answers:
        return [0, 0]
    answer = example.answers[0]
    first, last = _trim(example.context, answer.start, answer.start + len(answer.text))
    inside = [i for i, (start, end) in enumerate(offsets) if end > first and start < last]
    whole = inside and offsets[inside[0]][0] <= first and offsets[inside[-1]][1] >= last
    return [begin + inside[0], begin + inside[-1]] if whole else [0, 0]
