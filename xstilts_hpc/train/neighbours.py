"""Find nearest neighbours by cosine between two pools of sentences, both ways at once, in bounded memory."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from xstilts_hpc.logits import Floats, Integers

# Bytes of scores that may exist at a time: a block of them, and its transpose for the other way.
_BUDGET = {"cuda": 2**30, "cpu": 2**28}
# Rows with a tie at the last place are sorted whole, so many at a time.
_SORTED_ROWS = 64


@dataclass(frozen=True)
class Neighbours:
    """Cosine and index of the nearest of the other pool, nearest first: `scores[rows, k]`, `indices[rows, k]`."""

    scores: Floats
    indices: Integers


def mutual_neighbours(
    queries: Float[Tensor, "queries hidden"],
    candidates: Float[Tensor, "candidates hidden"],
    k: int,
    *,
    device: torch.device | None = None,
    budget: int = 0,
) -> tuple[Neighbours, Neighbours]:
    """Return the k nearest candidates of each query, and the k nearest queries of each candidate; index breaks ties.

    Scores are computed a block at a time on the device, at most `budget` bytes (0: what suits the device), and each
    block serves both ways. Equal vectors are searched once: a matrix product rounds the same vector differently in
    different places of a block (4e-8 apart, measured), and the block size would decide between them.
    """
    device = device or torch.device("cpu")
    side = max(1, math.isqrt((budget or _BUDGET[device.type]) // 8))
    left, right = _pool(queries), _pool(candidates)
    forward = _Best.none(len(left.vectors), min(k, len(right.vectors)))
    reverse = _Best.none(len(right.vectors), min(k, len(left.vectors)))
    for i, j, block in _blocks(left.vectors, right.vectors, side, device):
        forward.add(block, i, j)
        reverse.add(block.T.contiguous(), j, i)
    return _expanded(forward, left, right, k), _expanded(reverse, right, left, k)


def _blocks(left: Tensor, right: Tensor, side: int, device: torch.device) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (first row, first column, scores) of every block: columns in order for a row, and rows for a column."""
    for i in range(0, len(left), side):
        rows = left[i : i + side].to(device)
        for j in range(0, len(right), side):
            yield i, j, rows @ right[j : j + side].to(device).T


@dataclass(frozen=True)
class _Pool:
    """The distinct unit vectors of a pool in the order in which they first occur, and which of them each row has."""

    vectors: Float[Tensor, "distinct hidden"]
    distinct_of: Integers

    def members(self, k: int) -> Integers:
        """Return the first k rows that have each distinct vector, ascending; -1 where there are fewer."""
        order = np.argsort(self.distinct_of, kind="stable")
        first = np.searchsorted(self.distinct_of[order], np.arange(len(self.vectors) + 1))
        place = first[:-1, None] + np.arange(k)
        return np.where(place < first[1:, None], order[np.minimum(place, len(order) - 1)], -1)


def _pool(vectors: Float[Tensor, "sentences hidden"]) -> _Pool:
    unit = functional.normalize(vectors.float().cpu(), dim=1) + 0.0  # so that -0 and 0 are equal bytes
    number: dict[bytes, int] = {}
    rows = (hashlib.blake2b(row, digest_size=16).digest() for row in unit.contiguous().numpy())
    distinct_of = np.array([number.setdefault(row, len(number)) for row in rows], dtype=np.int64)
    if len(number) == len(unit):
        return _Pool(unit, distinct_of)
    _, first = np.unique(distinct_of, return_index=True)
    return _Pool(unit[torch.from_numpy(first)], distinct_of)


@dataclass(frozen=True)
class _Best:
    """The best columns of each row so far, best first."""

    scores: Float[Tensor, "rows k"]
    columns: Int[Tensor, "rows k"]

    @classmethod
    def none(cls, rows: int, k: int) -> "_Best":
        """Return the best of nothing."""
        return cls(torch.full((rows, k), -torch.inf), torch.full((rows, k), -1, dtype=torch.int64))

    def add(self, block: Tensor, row: int, column: int) -> None:
        """Take in a block of scores that begins at a row and a column; columns must come in ascending order."""
        k, rows = self.scores.shape[1], slice(row, row + len(block))
        scores, columns = (found.cpu() for found in _top(block, k))
        scores = torch.cat([self.scores[rows], scores], dim=1)
        columns = torch.cat([self.columns[rows], columns + column], dim=1)
        # Stable: of equal scores the one found earlier, whose column is smaller, stays ahead.
        order = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
        self.scores[rows], self.columns[rows] = scores.gather(1, order), columns.gather(1, order)


def _top(block: Float[Tensor, "rows columns"], k: int) -> tuple[Tensor, Tensor]:
    """Return scores and columns of the k best of each row, best first, the smaller column first among equals.

    torch.topk promises nothing about ties, so one more is asked for: where the last place ties with it, the row is
    sorted whole.
    """
    scores, columns = block.topk(min(k + 1, block.shape[1]), dim=1)
    tied = torch.nonzero(scores[:, k - 1] == scores[:, k])[:, 0] if scores.shape[1] > k else None
    columns, order = columns[:, :k].sort(dim=1)
    scores, order = scores[:, :k].gather(1, order).sort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, order)
    for rows in () if tied is None else torch.split(tied, _SORTED_ROWS):
        best = block[rows].sort(dim=1, descending=True, stable=True)
        scores[rows], columns[rows] = best.values[:, :k], best.indices[:, :k]
    return scores, columns


def _expanded(best: _Best, own: _Pool, other: _Pool, k: int) -> Neighbours:
    """Return neighbours between rows of the pools from those between their distinct vectors.

    A row among the k best has a vector among the k best, because every better vector brings a better row.
    """
    scores, columns = best.scores.numpy(), best.columns.numpy()
    if len(other.vectors) < len(other.distinct_of):
        members = other.members(k)[columns].reshape(len(columns), -1)
        repeated = np.where(members < 0, -np.inf, np.repeat(scores, k, axis=1))
        order = np.lexsort((members, -repeated), axis=1)[:, : min(k, len(other.distinct_of))]
        scores, columns = np.take_along_axis(repeated, order, axis=1), np.take_along_axis(members, order, axis=1)
    return Neighbours(scores[own.distinct_of].astype(np.float32), columns[own.distinct_of].astype(np.int64))
