"""From examples to token ids, by kind of task; encoded sets are Arrow files cached by their content."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from numpy.typing import NDArray

from xstilts_hpc.data.ragged import Ragged, ragged_of
from xstilts_hpc.data.span import encode_spans
from xstilts_hpc.data.words import encode_words
from xstilts_hpc.examples import ChoiceExample, Example, Kind, RetrievalExample, SequenceExample
from xstilts_hpc.files import digest_of
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.tasks.base import Task

# Raised when the same example would be encoded differently than before.
VERSION = 1

Row = dict[str, Any]


@dataclass(frozen=True)
class Encoded:
    """An encoded set. Columns hold one value or one list per row; an item of training is `rows_per_item` rows.

    Every kind has `input_ids` (special tokens included), `example` (index into the examples) and `gold`: the class
    of each logits row that the item gives (one for a sequence or a choice, one per word, start and end of a span).
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
        folder = self.cache / self.key(task, data)
        if not folder.is_dir():
            _save(folder, list(_ENCODE[task.kind](self.tokenizer, task, examples, self.recipe)))
        table = datasets.load_from_disk(str(folder)).with_format("arrow")[:]
        return Encoded(task.kind, table, len(task.labels) if task.kind is Kind.CHOICE else 1)

    def key(self, task: Task, data: str) -> str:
        """Return the name of an encoded set: everything that decides its content."""
        lengths = [self.recipe.max_length, self.recipe.doc_stride, self.recipe.max_query_length]
        content = [VERSION, task.name, task.kind, task.labels, data, tokenizer_digest(self.tokenizer), lengths]
        return f"{task.name}-{digest_of(content)[:20]}"


def tokenizer_digest(tokenizer: Any) -> str:
    """Return the digest of a tokenizer's whole definition."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def _save(folder: Path, rows: list[Row]) -> None:
    """Write an encoded set as a whole; where another process was faster, keep its copy."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows).save_to_disk(str(partial))
    try:
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial)


def _encode_sequences(tokenizer: Any, task: Task, examples: Sequence[SequenceExample], recipe: Recipe) -> Iterator[Row]:
    firsts, seconds = _ids(tokenizer, [e.first for e in examples]), _ids(tokenizer, [e.second for e in examples])
    for i, (example, first, second) in enumerate(zip(examples, firsts, seconds, strict=True)):
        gold = [] if example.label is None else [task.labels.index(example.label)]
        yield {"input_ids": join(tokenizer, first, second, recipe.max_length), "gold": gold, "example": i}


def _encode_choices(tokenizer: Any, task: Task, examples: Sequence[ChoiceExample], recipe: Recipe) -> Iterator[Row]:
    prompts = _ids(tokenizer, [e.prompt for e in examples])
    choices = iter(_ids(tokenizer, [choice for e in examples for choice in e.choices]))
    for i, (example, prompt) in enumerate(zip(examples, prompts, strict=True)):
        for j in range(len(example.choices)):
            gold = [] if j or example.label is None else [example.label]
            ids = join(tokenizer, prompt, next(choices), recipe.max_length, keep_end=True)
            yield {"input_ids": ids, "gold": gold, "example": i}


def _encode_sentences(
    tokenizer: Any, task: Task, examples: Sequence[RetrievalExample], recipe: Recipe
) -> Iterator[Row]:
    for i, (example, ids) in enumerate(zip(examples, _ids(tokenizer, [e.text for e in examples]), strict=True)):
        kept = ids[: recipe.max_length - 2]
        row = [tokenizer.cls_token_id, *kept, tokenizer.sep_token_id]
        yield {"input_ids": row, "gold": [], "example": i, "english": example.english}


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
    return ids


def join(tokenizer: Any, first: list[int], second: list[int], max_length: int, *, keep_end: bool = False) -> list[int]:
    """Return `<s> first </s></s> second </s>`, cut to the length by shortening the longer text a token at a time.

    Pairs lose their end; with `keep_end` (multiple choice) both texts lose their beginning, as in the study's code.
    """
    room = max_length - 4
    a, b = len(first), len(second)
    while a + b > room:
        a, b = (a - 1, b) if a > b else (a, b - 1)
    first, second = (first[len(first) - a :], second[len(second) - b :]) if keep_end else (first[:a], second[:b])
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [cls, *first, sep, sep, *second, sep]


_ENCODE: dict[Kind, Callable[..., Iterator[Row]]] = {
    Kind.SEQUENCE: _encode_sequences,
    Kind.CHOICE: _encode_choices,
    Kind.TOKEN: encode_words,
    Kind.SPAN: encode_spans,
    Kind.RETRIEVAL: _encode_sentences,
}
