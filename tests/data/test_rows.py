"""Packed rows: where they begin, which are of like length, and padding them again."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xstilts_hpc.data.rows import rows_of

LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=40)


def test_rows_begin_behind_each_other_and_count_their_tokens_from_nought() -> None:
    rows = rows_of([3, 1, 2])
    assert rows.first.tolist() == [0, 3, 4, 6]
    assert rows.starts.tolist() == [0, 3, 4]
    assert rows.position.tolist() == [0, 1, 2, 0, 0, 1]
    assert rows.longest == 3


@settings(deadline=None)
@given(LENGTHS)
def test_padding_puts_every_row_first_and_the_filling_behind_it(lengths: list[int]) -> None:
    rows = rows_of(lengths)
    values = torch.arange(sum(lengths) * 2.0).view(-1, 2)
    padded = rows.padded(values, -7.0)
    assert padded.shape == (len(lengths), max(lengths), 2)
    for row, length in enumerate(lengths):
        assert torch.equal(padded[row, :length], values[rows.first[row] : rows.first[row + 1]])
        assert (padded[row, length:] == -7.0).all()


@settings(deadline=None)
@given(LENGTHS)
def test_blocks_cover_all_rows_in_their_order_and_hold_little_padding(lengths: list[int]) -> None:
    blocks = rows_of(sorted(lengths, reverse=True)).blocks
    assert [block.start for block in blocks] == [0, *(block.stop for block in blocks[:-1])]
    assert (sum(block.rows for block in blocks), blocks[-1].stop) == (len(lengths), sum(lengths))
    for block in blocks:
        tokens = block.stop - block.start
        assert block.rows * block.width <= 1.125 * tokens
        assert (block.places is None) == (block.rows * block.width == tokens)
        if block.real is not None and block.places is not None:
            assert np.array_equal(np.flatnonzero(block.real.numpy()), block.places.numpy())
