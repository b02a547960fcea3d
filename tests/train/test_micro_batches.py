"""An effective batch is dealt so that no rank waits for another, and no micro-batch is larger than it must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xstilts_hpc.errors import RunError
from xstilts_hpc.train.micro_batches import Items, deal, micro_batches

LENGTHS = st.lists(st.integers(1, 512), min_size=8, max_size=64).map(lambda found: np.array(found, dtype=np.int64))
WORLDS, LIMITS = st.integers(1, 8), st.integers(1, 4096)


def loads(tokens: Items, ranks: list[list[Items]]) -> list[int]:
    """Return the tokens of each rank."""
    return [sum(int(tokens[items].sum()) for items in batches) for batches in ranks]


def test_the_costliest_item_goes_first_and_each_to_the_bin_with_least() -> None:
    assert deal([1, 9, 2, 5, 3], 2) == [0, 0, 1, 1, 1]


def test_two_ranks_share_a_batch_in_micro_batches_within_the_limit() -> None:
    ranks = micro_batches(np.array([10, 40, 20, 30, 20, 40]), 2, 50)
    assert [[items.tolist() for items in batches] for batches in ranks] == [[[1], [3, 0]], [[5], [2, 4]]]


@given(LENGTHS, WORLDS, LIMITS)
def test_every_item_stands_in_one_micro_batch(tokens: Items, world: int, limit: int) -> None:
    ranks = micro_batches(tokens, world, limit)
    placed = [item for batches in ranks for items in batches for item in items.tolist()]
    assert sorted(placed) == list(range(len(tokens)))


@given(LENGTHS, WORLDS, LIMITS)
def test_every_rank_has_equally_many_and_none_is_empty(tokens: Items, world: int, limit: int) -> None:
    ranks = micro_batches(tokens, world, limit)
    assert len(ranks) == world and len({len(batches) for batches in ranks}) == 1
    assert all(len(items) for batches in ranks for items in batches)


@given(LENGTHS, WORLDS, LIMITS)
def test_a_micro_batch_is_within_the_limit_or_no_more_can_be_made(tokens: Items, world: int, limit: int) -> None:
    ranks = micro_batches(tokens, world, limit)
    largest = max(int(tokens[items].sum()) for batches in ranks for items in batches)
    assert largest <= limit or len(ranks[0]) == len(tokens) // world


@given(LENGTHS, LIMITS)
def test_one_rank_splits_down_to_single_items(tokens: Items, limit: int) -> None:
    (batches,) = micro_batches(tokens, 1, limit)
    assert all(len(items) == 1 or tokens[items].sum() <= limit for items in batches)


@given(LENGTHS, WORLDS, LIMITS)
def test_the_longest_item_of_a_micro_batch_stands_first(tokens: Items, world: int, limit: int) -> None:
    for batches in micro_batches(tokens, world, limit):
        assert all(tokens[items].tolist() == sorted(tokens[items], reverse=True) for items in batches)


@given(LENGTHS, WORLDS, LIMITS)
def test_no_rank_has_more_than_the_longest_item_above_another(tokens: Items, world: int, limit: int) -> None:
    each = loads(tokens, micro_batches(tokens, world, limit))
    assert max(each) - min(each) <= tokens.max()


def test_fewer_items_than_ranks_are_refused() -> None:
    with pytest.raises(RunError, match=r"batch_size 3 is smaller than the number of ranks, 4: .*larger recipe"):
        micro_batches(np.array([5, 5, 5]), 4, 100)
