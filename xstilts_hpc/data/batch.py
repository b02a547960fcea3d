"""Order the items of a training, and pad rows into tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.data.ragged import Ragged
from xstilts_hpc.examples import Kind


@dataclass(frozen=True)
class Batch:
    """Padded rows. `gold` has one class per row of the head's logits; `words` are (row, token) of each word."""

    task: str
    input_ids: Int[Tensor, "batch tokens"]
    attention_mask: Bool[Tensor, "batch tokens"]
    gold: Int[Tensor, " rows"]
    words: Int[Tensor, "words 2"]

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on a device."""
        tensors = (self.input_ids, self.attention_mask, self.gold, self.words)
        return Batch(self.task, *(tensor.to(device, non_blocking=True) for tensor in tensors))


@dataclass(frozen=True)
class BatchMaker:
    """Make batches of an encoded set from numbers of items; `task` is whose head reads them."""

    task: str
    encoded: Encoded
    pad_id: int

    @cached_property
    def _input_ids(self) -> Ragged:
        return self.encoded.ragged("input_ids")

    @cached_property
    def _gold(self) -> Ragged:
        return self.encoded.ragged("gold")

    @cached_property
    def _word_position(self) -> Ragged:
        return self.encoded.ragged("word_position")

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of the longest row of each item."""
        lengths: NDArray[np.int64] = self._input_ids.lengths().reshape(-1, self.encoded.rows_per_item).max(axis=1)
        return lengths

    def gold_count(self, items: Sequence[int] | NDArray[np.int64]) -> int:
        """Return the number of classes to predict in some items: what a mean loss divides by."""
        return int(self._gold.lengths()[self._rows(items)].sum())

    def make(self, items: Sequence[int] | NDArray[np.int64], step: int = 0) -> Batch:
        """Return the padded batch of some items, the same at every step."""
        rows = self._rows(items)
        ids, mask = pad([self._input_ids[row] for row in rows], self.pad_id)
        return Batch(self.task, ids, mask, self._classes(rows), self._words(rows))

    def _rows(self, items: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        per_item = self.encoded.rows_per_item
        return (np.asarray(items, dtype=np.int64)[:, None] * per_item + np.arange(per_item)).ravel()

    def _classes(self, rows: NDArray[np.int64]) -> Tensor:
        gold = [self._gold[row] for row in rows]
        if self.encoded.kind is Kind.SPAN:  # all starts, then all ends, as the head gives its logits
            gold = [np.array([g[side] for g in gold if len(g)]) for side in (0, 1)]
        return torch.from_numpy(np.concatenate(gold).astype(np.int64))

    def _words(self, rows: NDArray[np.int64]) -> Tensor:
        if self.encoded.kind is not Kind.TOKEN:
            return torch.zeros(0, 2, dtype=torch.int64)
        positions = [self._word_position[row] for row in rows]
        row_of = np.repeat(np.arange(len(rows)), [len(p) for p in positions])
        return torch.from_numpy(np.stack([row_of, np.concatenate(positions)], axis=1).astype(np.int64))


def pad(rows: Sequence[NDArray[np.int64]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return rows padded to the longest of them, and the mask of real tokens."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, True
    return torch.from_numpy(ids), torch.from_numpy(mask)


def training_order(items: NDArray[np.int64], *, batch_size: int, steps: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the items of each step's effective batch.

    Epoch after epoch in an order of its own; a batch may span two epochs, so that every step has `batch_size` items
    however small the set. The order depends on the seed alone, so a repeated run sees the same.
    """
    epochs = -(-steps * batch_size // len(items))
    orders = [np.random.default_rng([seed, epoch]).permutation(items) for epoch in range(epochs)]
    stream = np.concatenate(orders)
    for step in range(steps):
        yield stream[step * batch_size : (step + 1) * batch_size]


def length_sorted(lengths: NDArray[np.int64], tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield groups of rows of like length, longest first, each of at most `tokens` tokens after padding."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, tokens // int(lengths[order[start]]))
        yield order[start:stop]
        start = stop
