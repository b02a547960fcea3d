"""Rows of tokens packed one behind the other without padding: where each begins, and which are of like length."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

# Rows share a block while padding them to the longest costs no more than this share of their real tokens.
_MOST_PADDING = 0.125


@dataclass(frozen=True)
class Block:
    """Neighbouring rows of like length, tokens `start` to `stop`: padded they are [rows, width].

    `places` are the places of the tokens in the padded block, `real` which places hold one; both are None where the
    rows are equally long, so that the block is a view.
    """

    start: int
    stop: int
    rows: int
    width: int
    places: Int[Tensor, " tokens"] | None
    real: Bool[Tensor, "rows 1 1 width"] | None


@dataclass(frozen=True)
class Rows:
    """Row i is tokens `first[i]` to `first[i + 1]`; `position` counts the tokens of each row from 0."""

    lengths: tuple[int, ...]
    first: Int[Tensor, " rows_1"]
    position: Int[Tensor, " tokens"]
    blocks: tuple[Block, ...]

    @property
    def shortest(self) -> int:
        """Return the number of tokens of the shortest row."""
        return min(self.lengths)

    @property
    def longest(self) -> int:
        """Return the number of tokens of the longest row."""
        return max(self.lengths)

    @property
    def starts(self) -> Int[Tensor, " rows"]:
        """Return the first token of each row."""
        return self.first[:-1]

    def padded(self, values: Tensor, fill: float) -> Tensor:
        """Return [tokens, ...] as [rows, longest, ...], filled up behind the end of each row."""
        rows, width = len(self.lengths), self.longest
        whole = values.new_full((rows * width, *values.shape[1:]), fill).index_copy(0, self.places(), values)
        return whole.view(rows, width, *values.shape[1:])

    def places(self) -> Int[Tensor, " tokens"]:
        """Return the place of each token in padded rows one behind the other."""
        row = torch.arange(len(self.lengths), device=self.first.device) * self.longest
        return self.position + torch.repeat_interleave(row, self.first.diff(), output_size=len(self.position))

    def real(self) -> Bool[Tensor, "rows longest"]:
        """Return which places of padded rows hold a token."""
        return torch.arange(self.longest, device=self.first.device) < self.first.diff()[:, None]

    def to(self, device: torch.device | str) -> "Rows":
        """Return the rows on a device; the blocks stay behind, since only attention on a CPU reads them."""
        first, position = (part.to(device, non_blocking=True) for part in (self.first, self.position))
        return replace(self, first=first, position=position)


def rows_of(lengths: Sequence[int] | NDArray[np.int64]) -> Rows:
    """Return rows of such lengths; those of like length should be neighbours."""
    counts = np.asarray(lengths, dtype=np.int64)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    position = np.arange(first[-1]) - np.repeat(first[:-1], counts)
    return Rows(tuple(counts.tolist()), torch.from_numpy(first), torch.from_numpy(position), _blocks(counts, first))


def _blocks(counts: NDArray[np.int64], first: NDArray[np.int64]) -> tuple[Block, ...]:
    blocks, row = [], 0
    while row < len(counts):
        end, width, real = row + 1, int(counts[row]), int(counts[row])
        while end < len(counts):
            wider, more = max(width, int(counts[end])), real + int(counts[end])
            if wider * (end + 1 - row) > (1 + _MOST_PADDING) * more:
                break
            end, width, real = end + 1, wider, more
        blocks.append(_block(counts[row:end], int(first[row]), width))
        row = end
    return tuple(blocks)


def _block(counts: NDArray[np.int64], start: int, width: int) -> Block:
    rows, tokens = len(counts), int(counts.sum())
    if rows * width == tokens:
        return Block(start, start + tokens, rows, width, None, None)
    real = np.arange(width) < counts[:, None]
    places = torch.from_numpy(np.flatnonzero(real))
    return Block(start, start + tokens, rows, width, places, torch.from_numpy(real)[:, None, None, :])
