"""Order the items of a training, and pack their rows into tensors without padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from xstilts_hpc.data.columns import gather
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.data.rows import Rows, rows_of
from xstilts_hpc.examples import Kind


@dataclass(frozen=True)
class Batch:
    """Packed rows. `gold` has one class per row of the head's logits; `words` are the tokens that stand for words."""

    task: str
    input_ids: Int[Tensor, " tokens"]
    rows: Rows
    gold: Int[Tensor, " classes"]
    words: Int[Tensor, " words"]

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on a device."""
        ids, gold, words = (part.to(device, non_blocking=True) for part in (self.input_ids, self.gold, self.words))
        return Batch(self.task, ids, self.rows.to(device), gold, words)


@dataclass(frozen=True)
class BatchMaker:
    """Make batches of an encoded set from numbers of items; `task` is whose head reads them."""

    task: str
    encoded: Encoded

    @cached_property
    def _input_ids(self) -> Ragged:
        return self.encoded.ragged("input_ids")

    @cached_property
    def _gold(self) -> Ragged:
        return self.encoded.ragged("gold")

    @cached_property
    def _word_position(self) -> Ragged:
        return self.encoded.ragged("word_position")

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of each item, over all of its rows."""
        lengths: NDArray[np.int64] = self._input_ids.lengths().reshape(-1, self.encoded.rows_per_item).sum(axis=1)
        return lengths

    def pieces(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids that occur in some items."""
        ids, rows = self._input_ids, np.zeros(len(self._input_ids), dtype=np.bool_)
        rows[self._rows(items)] = True
        values = ids.values if rows.all() else ids.values[np.repeat(rows, ids.lengths())]
        occurs = np.zeros(int(values.max(initial=-1)) + 1, dtype=np.bool_)  # np.unique would sort all tokens
        occurs[values] = True
        return np.flatnonzero(occurs)

    def gold_count(self, items: Sequence[int] | NDArray[np.int64]) -> int:
        """Return the number of classes to predict in some items: what a mean loss divides by."""
        return int(self._gold.lengths()[self._rows(items)].sum())

    def make(self, items: Sequence[int] | NDArray[np.int64], step: int = 0) -> Batch:
        """Return the packed batch of some items, the same at every step."""
        rows = self._rows(items)
        ids = gather(self._input_ids, rows)
        tokens = torch.from_numpy(ids.values.astype(np.int64))
        return Batch(self.task, tokens, rows_of(ids.lengths()), self._classes(rows), self._words(rows, ids))

    def _rows(self, items: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        per_item = self.encoded.rows_per_item
        return (np.asarray(items, dtype=np.int64)[:, None] * per_item + np.arange(per_item)).ravel()

    def _classes(self, rows: NDArray[np.int64]) -> Tensor:
        gold = gather(self._gold, rows).values.astype(np.int64)
        if self.encoded.kind is Kind.SPAN:  # all starts, then all ends, as the head gives its logits
            gold = np.concatenate([gold[0::2], gold[1::2]])
        return torch.from_numpy(gold)

    def _words(self, rows: NDArray[np.int64], ids: Ragged) -> Tensor:
        if self.encoded.kind is not Kind.TOKEN:
            return torch.zeros(0, dtype=torch.int64)
        positions = gather(self._word_position, rows)
        return torch.from_numpy(positions.values.astype(np.int64) + np.repeat(ids.first[:-1], positions.lengths()))


def training_order(items: NDArray[np.int64], *, batch_size: int, steps: int, seed: int) -> NDArray[np.int64]:
    """Return the items of each step's effective batch, [steps, batch].

    Epoch after epoch in an order of its own; a batch may span two epochs, so that every step has `batch_size` items
    however small the set. The order depends on the seed alone, so a repeated run sees the same.
    """
    epochs = -(-steps * batch_size // len(items))
    orders = [np.random.default_rng([seed, epoch]).permutation(items) for epoch in range(epochs)]
    stream: NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *orders])
    return stream[: steps * batch_size].reshape(steps, batch_size)


def fitting(lengths: NDArray[np.int64], tokens: int) -> int:
    """Return how many of the first items have at most so many tokens together; at least one."""
    return max(1, int(np.searchsorted(np.cumsum(lengths[: tokens + 1]), tokens, side="right")))
