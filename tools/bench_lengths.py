"""Rows for benchmarks where the small real data are not beside the checkout: of their lengths, with made-up pieces."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xstilts_hpc.data.columns import Columns, first_of, runs, table_of
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.examples import Kind
from xstilts_hpc.tasks import task_of

# Token lengths of the English training rows at 0, 5, ..., 100 %, cut at the maximum that XTREME's scripts pad to:
# `python tools/bench_gpu.py --quantiles` where the small real data are.
LENGTHS = {
    "mnli": (7, 18, 22, 25, 27, 30, 33, 35, 38, 40, 42, 44, 47, 50, 53, 56, 60, 65, 72, 83, 128),
    "squad_v1": (45, 89, 105, 117, 127, 139, 150, 159, 170, 178, 190, 204, 213, 229, 243, 263, 283, 301, 333, 370, 384),
    "panx": (5, 7, 7, 8, 9, 9, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 18, 20, 22, 28, 128),
}
# So many different pieces occur there: 11,228, 9,976 and 7,934; the share of the n-th most common is about 1 / n.
_DIFFERENT = 10_000
_FIRST_PIECE = 4

Integers = NDArray[np.int64]


def quantiles(lengths: Integers) -> list[int]:
    """Return a row of LENGTHS from real lengths."""
    return [int(length) for length in np.quantile(lengths, np.linspace(0, 1, 21))]


def invented_rows(kind: str, count: int, seed: int) -> Encoded:
    """Return rows of a task as an Encoder gives them, as far as training and the logits go."""
    random, task = np.random.default_rng(seed), task_of(kind)
    known = LENGTHS[kind]
    lengths = np.interp(random.random(count), np.linspace(0, 1, len(known)), known).astype(np.int64)
    first = first_of(lengths)
    ids = _FIRST_PIECE + np.floor(_DIFFERENT ** random.random(first[-1])).astype(np.int64)
    more: dict[str, Ragged] = {}
    if task.kind is Kind.SPAN:
        gold = np.sort(random.integers(0, lengths[:, None], (count, 2)), axis=1)
    elif task.kind is Kind.TOKEN:
        more["word_position"] = _every_second(lengths)
        gold = random.integers(0, len(task.labels), len(more["word_position"].values))
    else:
        gold = random.integers(0, len(task.labels), count)
    per_row = more["word_position"].first if more else np.arange(count + 1) * (gold.size // count)
    columns = Columns(Ragged(ids, first), Ragged(gold.ravel(), per_row), np.arange(count), more)
    return Encoded(task.kind, pa.table(table_of(columns)), 1)


def _every_second(lengths: Integers) -> Ragged:
    """Return the places of words: every second token between the first and the last one."""
    words = (lengths - 1) // 2
    return Ragged(2 * runs(np.zeros_like(words), words) + 1, first_of(words))
