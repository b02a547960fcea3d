"""Rows of different lengths in two flat arrays, as Arrow stores them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ragged:
    """Row i is values[first[i]:first[i + 1]]; `first[rows + 1]` starts at 0."""

    values: NDArray[Any]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.first) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        """Return one row, without copying."""
        return self.values[self.first[row] : self.first[row + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """Return the length of every row."""
        return self._lengths

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return np.diff(self.first)


def ragged_of(column: Any) -> Ragged:
    """Return an Arrow list column as flat arrays."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    values, first = array.flatten().to_numpy(zero_copy_only=False), array.offsets.to_numpy().astype(np.int64)
    return Ragged(values, first - first[0])
