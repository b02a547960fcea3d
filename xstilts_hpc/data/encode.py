"""From examples to token ids, by kind of task; encoded sets are Arrow files cached by their content."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xstilts_hpc.data.columns import Columns, Integers, cut, gather, join_rows, ragged_from, table_of
from xstilts_hpc.data.ragged import Ragged, ragged_of
from xstilts_hpc.data.span import encode_spans
from xstilts_hpc.data.store import shared_table
from xstilts_hpc.data.tokens import specials_of, tokenize
from xstilts_hpc.data.words import encode_words
from xstilts_hpc.examples import (
    ChoiceExample,
    Example,
    Kind,
    RetrievalExample,
    SequenceExample,
    SpanExample,
    TextExample,
)
from xstilts_hpc.files import digest_of
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks.base import Task, stratum

# Raised when the same example would be encoded differently than before.
VERSION = 4
# Examples encoded at a time: a whole evaluation set of most languages, and 0.5 GB in between for questions.
_CHUNK = 16_384


@dataclass(frozen=True)
class Encoded:
    """An encoded set. Columns hold one value or one list per row; an item of training is `rows_per_item` rows.

    Every kind has `input_ids` (special tokens included), `example` (index into the examples, each of which has a row)
    and `gold`: the class of each logits row that the item gives (one for a sequence or a choice, one per word, start
    and end of a span). `id` is the example's, `stratum` what subsets are stratified by and, of questions, `paragraph` a
    number of the context, so that choosing a subset reads no files.
    """

    kind: Kind
    table: Any
    rows_per_item: int

    def ragged(self, name: str) -> Ragged:
        """Return a list column as flat arrays."""
        return ragged_of(self.table.column(name))

    def flat(self, name: str) -> NDArray[Any]:
        """Return a column of single values."""
        values: NDArray[Any] = self.table.column(name).to_numpy()
        return values

    def strata(self) -> list[str]:
        """Return the stratum of each example."""
        return self._of_examples("stratum")

    def ids(self) -> list[str]:
        """Return the id of each example, as in the data set."""
        return self._of_examples("id")

    def paragraphs(self) -> list[int]:
        """Return a number of the context of each question: the same one for all questions on it."""
        return self._of_examples("paragraph")

    def _of_examples(self, name: str) -> list[Any]:
        first = np.flatnonzero(np.diff(self.flat("example"), prepend=-1))
        values: list[Any] = self.table.column(name).take(pa.array(first)).to_pylist()
        return values

    @property
    def items(self) -> int:
        """Return the number of training items (features)."""
        return int(self.table.num_rows) // self.rows_per_item


@dataclass(frozen=True)
class Encoder:
    """How text becomes ids: a tokenizer, the lengths of a recipe, and a folder to remember encoded sets in."""

    tokenizer: Any
    recipe: Recipe
    cache: Path

    def encode(self, task: Task, examples: Sequence[Example], data: str) -> Encoded:
        """Return the encoded set of a task's examples; `data` is the digest of what they were read from."""
        return self.encode_read(task, lambda: examples, data)

    def encode_read(self, task: Task, read: Callable[[], Sequence[Example]], data: str) -> Encoded:
        """Return the encoded set of the examples that `read` gives; they are read only where no set is remembered."""
        folder = self.cache / self.key(task, data)
        table = shared_table(folder, lambda: _table(self.tokenizer, task, read(), self.recipe))
        return Encoded(task.kind, table, task.rows_per_item)

    @cached_property
    def _tokenizer_digest(self) -> str:
        return tokenizer_digest(self.tokenizer)

    def key(self, task: Task, data: str) -> str:
        """Return the name of an encoded set: everything that decides its content."""
        lengths = [self.recipe.max_length, self.recipe.doc_stride, self.recipe.max_query_length]
        content = [VERSION, task.name, task.kind, task.labels, data, self._tokenizer_digest, lengths]
        return f"{task.name}-{digest_of(content)[:20]}"


def tokenizer_digest(tokenizer: Any) -> str:
    """Return the digest of a tokenizer's whole definition."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def _table(tokenizer: Any, task: Task, examples: Sequence[Example], recipe: Recipe) -> Any:
    """Return the encoded rows of all examples; a chunk at a time, so that what is in between stays small."""
    tables = []
    for start in range(0, max(1, len(examples)), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        columns = _ENCODE[task.kind](tokenizer, task, chunk, recipe)
        table = table_of(columns, start)
        for name, values in _of_each(task, chunk).items():
            table = table.append_column(name, values.take(pa.array(columns.example)))
        tables.append(table)
    return pa.concat_tables(tables)


def _of_each(task: Task, examples: Sequence[Example]) -> dict[str, Any]:
    """Return what subsets are chosen by, a value per example."""
    found = {
        "id": pa.array([example.id for example in examples], pa.string()),
        "stratum": pa.array([stratum(task, example) for example in examples], pa.string()),
    }
    contexts = [_number_of(example.context) for example in examples if isinstance(example, SpanExample)]
    return {**found, "paragraph": pa.array(contexts, pa.int64())} if task.kind is Kind.SPAN else found


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def _encode_sequences(tokenizer: Any, task: Task, examples: Sequence[SequenceExample], recipe: Recipe) -> Columns:
    first, second = (
        tokenize(tokenizer, texts) for texts in ([e.first for e in examples], [e.second for e in examples])
    )
    index_of = {label: i for i, label in enumerate(task.labels)}
    gold = [[] if example.label is None else [index_of[example.label]] for example in examples]
    ids = _pairs(tokenizer, first, second, recipe.max_length)
    return Columns(ids, ragged_from(gold), np.arange(len(examples)))


def _encode_choices(tokenizer: Any, task: Task, examples: Sequence[ChoiceExample], recipe: Recipe) -> Columns:
    example = np.repeat(np.arange(len(examples)), [len(e.choices) for e in examples])
    prompts = gather(tokenize(tokenizer, [e.prompt for e in examples]), example)
    choices = tokenize(tokenizer, [choice for e in examples for choice in e.choices])
    gold = [[] if j or e.label is None else [e.label] for e in examples for j in range(len(e.choices))]
    ids = _pairs(tokenizer, prompts, choices, recipe.max_length, keep_end=True)
    return Columns(ids, ragged_from(gold), example)


def _encode_texts(
    tokenizer: Any, task: Task, examples: Sequence[TextExample | RetrievalExample], recipe: Recipe
) -> Columns:
    ids, rows = tokenize(tokenizer, [example.text for example in examples]), np.arange(len(examples))
    kept = cut(ids, rows, np.zeros_like(rows), np.minimum(ids.lengths(), recipe.max_length - 2))
    specials = specials_of(tokenizer)
    whole = join_rows([specials.before], kept, [specials.after])
    return Columns(whole, ragged_from([()] * len(rows)), rows)


def _pairs(tokenizer: Any, first: Ragged, second: Ragged, max_length: int, *, keep_end: bool = False) -> Ragged:
    """Return both texts with special tokens, cut to the length by shortening the longer text a token at a time.

    Pairs lose their end; with `keep_end` (multiple choice) both texts lose their beginning, as in the study's code.
    """
    specials = specials_of(tokenizer)
    a, b = _kept(first.lengths(), second.lengths(), max_length - specials.of_pair)
    rows = np.arange(len(first))
    from_a, from_b = (first.lengths() - a, second.lengths() - b) if keep_end else (0 * a, 0 * b)
    texts = cut(first, rows, from_a, a), cut(second, rows, from_b, b)
    return join_rows([specials.before], texts[0], list(specials.between), texts[1], [specials.after])


def _kept(a: Integers, b: Integers, room: int) -> tuple[Integers, Integers]:
    """Return how many tokens of two texts are kept: the longer one gives way, the second where they are equal."""
    excess = np.maximum(0, a + b - room)
    from_a, from_b = np.minimum(excess, np.maximum(0, a - b)), np.minimum(excess, np.maximum(0, b - a))
    both = excess - from_a - from_b
    return a - from_a - both // 2, b - from_b - (both + 1) // 2


_ENCODE: dict[Kind, Callable[..., Columns]] = {
    Kind.SEQUENCE: _encode_sequences,
    Kind.CHOICE: _encode_choices,
    Kind.TOKEN: encode_words,
    Kind.SPAN: encode_spans,
    Kind.RETRIEVAL: _encode_texts,
    Kind.MASKED: _encode_texts,
}
