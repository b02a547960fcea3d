"""Packed batches, the order of a training, and how many items fit a budget."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xstilts_hpc.data.batch import BatchMaker, fitting, training_order
from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.examples import Kind


def batches(kind: Kind, rows_per_item: int = 1, **columns: Any) -> BatchMaker:
    return BatchMaker("xnli", Encoded(kind, pa.table(columns), rows_per_item))


def test_a_batch_has_the_items_asked_for_in_their_order() -> None:
    maker = batches(Kind.SEQUENCE, input_ids=[[0, 5, 2], [0, 2], [0, 6, 7, 2]], gold=[[1], [0], [2]])
    batch = maker.make([2, 1])
    assert batch.input_ids.tolist() == [0, 6, 7, 2, 0, 2]
    assert batch.rows.first.tolist() == [0, 4, 6]
    assert batch.rows.position.tolist() == [0, 1, 2, 3, 0, 1]
    assert batch.gold.tolist() == [2, 0]
    assert batch.words.tolist() == []
    assert maker.lengths.tolist() == [3, 2, 4]


def test_a_choice_item_is_all_its_rows_and_one_gold() -> None:
    maker = batches(Kind.CHOICE, 2, input_ids=[[0, 2], [0, 5, 2], [0, 6, 7, 2], [0, 2]], gold=[[1], [], [0], []])
    batch = maker.make([1, 0])
    assert batch.input_ids.tolist() == [0, 6, 7, 2, 0, 2, 0, 2, 0, 5, 2]
    assert batch.rows.lengths == (4, 2, 2, 3)
    assert batch.gold.tolist() == [0, 1]
    assert maker.lengths.tolist() == [5, 6]
    assert maker.gold_count([0, 1]) == 2


def test_words_are_tokens_of_the_packed_rows_and_gold_follows_them() -> None:
    maker = batches(Kind.TOKEN, input_ids=[[0, 5, 6, 2], [0, 7, 2]], gold=[[3, 4], [6]], word_position=[[1, 2], [1]])
    batch = maker.make([1, 0])
    assert batch.words.tolist() == [1, 4, 5]
    assert batch.gold.tolist() == [6, 3, 4]
    assert maker.gold_count([0]) == 2


def test_gold_of_spans_is_all_starts_then_all_ends() -> None:
    maker = batches(Kind.SPAN, input_ids=[[0, 2], [0, 5, 2], [0, 2]], gold=[[4, 6], [0, 0], [5, 9]])
    assert maker.make([0, 1, 2]).gold.tolist() == [4, 0, 5, 6, 0, 9]


@pytest.mark.parametrize("kind", [Kind.SEQUENCE, Kind.SPAN])
def test_a_set_without_gold_makes_batches_without_gold(kind: Kind) -> None:
    batch = batches(kind, input_ids=[[0, 2], [0, 5, 2]], gold=[[], []]).make([0, 1])
    assert batch.gold.tolist() == []
    assert batch.gold.dtype == torch.int64


def test_a_batch_moves_as_a_whole() -> None:
    batch = batches(Kind.SEQUENCE, input_ids=[[0, 2]], gold=[[1]]).make([0])
    assert batch.to("cpu").input_ids.tolist() == batch.input_ids.tolist()


def order(items: int, batch_size: int, steps: int, seed: int) -> list[list[int]]:
    return [b.tolist() for b in training_order(np.arange(items), batch_size=batch_size, steps=steps, seed=seed)]


def test_the_order_follows_from_the_seed_alone() -> None:
    assert order(10, 4, 5, 3) == order(10, 4, 5, 3)
    assert order(10, 4, 5, 3) != order(10, 4, 5, 4)
    assert order(10, 4, 9, 3)[:5] == order(10, 4, 5, 3)


@given(st.integers(1, 20), st.integers(1, 8), st.integers(1, 30))
def test_every_step_is_full_and_every_epoch_has_each_item_once(items: int, batch_size: int, steps: int) -> None:
    found = order(items, batch_size, steps, 0)
    assert [len(batch) for batch in found] == [batch_size] * steps
    stream = [item for batch in found for item in batch]
    for start in range(0, len(stream) - items + 1, items):
        assert sorted(stream[start : start + items]) == list(range(items))


def test_two_epochs_have_different_orders() -> None:
    first, second = order(50, 50, 2, 0)
    assert first != second
    assert first != sorted(first)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=50), st.integers(1, 200))
def test_as_many_of_the_first_items_fit_as_the_budget_holds_and_at_least_one(lengths: list[int], tokens: int) -> None:
    number = fitting(np.array(lengths), tokens)
    assert number == 1 or sum(lengths[:number]) <= tokens
    assert number == len(lengths) or sum(lengths[: number + 1]) > tokens
