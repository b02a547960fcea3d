"""Build the columns of an encoded set from flat arrays: rows are gathered, joined and counted without a loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xstilts_hpc.data.ragged import Ragged

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """Rows of an encoded set: what every kind has, and `more` by name, a list or a single value per row."""

    input_ids: Ragged
    gold: Ragged
    example: Integers
    more: Mapping[str, Ragged | NDArray[Any]] = field(default_factory=dict)


def first_of(lengths: Sequence[int] | Integers) -> Integers:
    """Return where rows of such lengths begin in a flat array, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def ragged_from(rows: Sequence[Sequence[int]]) -> Ragged:
    """Return lists of integers as flat arrays."""
    first = first_of([len(row) for row in rows])
    return Ragged(np.fromiter(chain.from_iterable(rows), np.int64, int(first[-1])), first)


def runs(starts: Integers, lengths: Integers) -> Integers:
    """Return the positions of runs one after the other: start, start + 1, ... of the first, then of the second."""
    first = first_of(lengths)
    return np.repeat(starts - first[:-1], lengths) + np.arange(first[-1])


def gather(ragged: Ragged, rows: Integers) -> Ragged:
    """Return some rows, in the order named."""
    return cut(ragged, rows, np.zeros_like(rows), ragged.lengths()[rows])


def cut(ragged: Ragged, rows: Integers, starts: Integers, lengths: Integers) -> Ragged:
    """Return a part of some rows: so many values from so many values behind the row's begin."""
    return Ragged(ragged.values[runs(ragged.first[rows] + starts, lengths)], first_of(lengths))


def join_rows(*parts: Ragged | Sequence[int]) -> Ragged:
    """Return rows that are the parts one after the other; a sequence of integers is the same part in every row."""
    rows = next(len(part) for part in parts if isinstance(part, Ragged))
    whole = [part if isinstance(part, Ragged) else _repeated(part, rows) for part in parts]
    first = first_of(np.sum([part.lengths() for part in whole], axis=0))
    values = np.empty(first[-1], np.int64)
    behind = first[:-1].copy()
    for part in whole:
        values[runs(behind, part.lengths())] = part.values
        behind += part.lengths()
    return Ragged(values, first)


def _repeated(values: Sequence[int], rows: int) -> Ragged:
    return Ragged(np.tile(np.array(values, dtype=np.int64), rows), np.arange(rows + 1, dtype=np.int64) * len(values))


def table_of(columns: Columns, first_example: int = 0) -> Any:
    """Return the columns as an Arrow table; their examples are counted from another number than 0."""
    example = columns.example + first_example
    named = {"input_ids": columns.input_ids, "gold": columns.gold, "example": example, **columns.more}
    return pa.table({name: _arrow(column) for name, column in named.items()})


def _arrow(column: Ragged | NDArray[Any]) -> Any:
    if isinstance(column, Ragged):
        return pa.ListArray.from_arrays(pa.array(column.first, pa.int32()), pa.array(column.values, pa.int64()))
    return pa.array(column)
