"""Masked-language modelling: what is hidden, how much of it, and that a repeated step hides the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from xstilts_hpc.data.encode import Encoded
from xstilts_hpc.data.masked import MaskedBatchMaker
from xstilts_hpc.examples import Kind
from xstilts_hpc.model.encoder import load_tokenizer


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    return load_tokenizer(str(tiny_model))


def maker(tokenizer: Any, rows: list[list[int]], seed: int = 0) -> MaskedBatchMaker:
    return MaskedBatchMaker("mlm", Encoded(Kind.MASKED, pa.table({"input_ids": rows}), 1), tokenizer, seed)


def test_fifteen_per_cent_are_hidden_and_at_least_one(tokenizer: Any) -> None:
    batches = maker(tokenizer, [[0, *[9] * 100, 2], [0, 9, 2], [0, *[9] * 10, 2], [0, 2]])
    assert [batches.gold_count([i]) for i in range(4)] == [15, 1, 2, 0]
    batch = batches.make([0, 1, 2, 3], 5)
    rows = np.searchsorted(batch.rows.first.numpy(), batch.words.numpy(), side="right") - 1
    assert np.bincount(rows, minlength=4).tolist() == [15, 1, 2, 0]
    assert batch.gold.tolist() == [9] * 18


def test_the_gold_is_what_stood_there_and_special_tokens_are_never_hidden(tokenizer: Any) -> None:
    row = [0, *range(10, 60), 2]
    batch = maker(tokenizer, [row]).make([0], 1)
    positions = batch.words.tolist()
    assert batch.gold.tolist() == [row[i] for i in positions]
    assert 0 not in positions and len(row) - 1 not in positions
    kept = [i for i in range(len(row)) if i not in positions]
    assert batch.input_ids[kept].tolist() == [row[i] for i in kept]


def test_most_become_the_mask_some_another_piece_some_stay(tokenizer: Any) -> None:
    batch = maker(tokenizer, [[0, *[9] * 40_000, 2]]).make([0], 0)
    seen = batch.input_ids[batch.words].numpy()
    mask, special = tokenizer.mask_token_id, set(tokenizer.all_special_ids)
    other = seen[(seen != mask) & (seen != 9)]
    # Of 6,000: 80 % masked, 10 % random, 10 % kept, each within four standard deviations.
    assert abs((seen == mask).mean() - 0.8) < 0.021
    assert abs(len(other) / len(seen) - 0.1) < 0.016
    assert not special & set(other.tolist())
    assert len(np.unique(other)) > 50


def test_a_step_hides_the_same_again_whatever_else_is_in_the_batch(tokenizer: Any) -> None:
    rows = [[0, *range(10, 60), 2], [0, *range(20, 70), 2]]
    alone, together = maker(tokenizer, rows).make([1], 3), maker(tokenizer, rows).make([0, 1], 3)
    assert together.input_ids[52:].tolist() == alone.input_ids.tolist()
    assert maker(tokenizer, rows).make([1], 4).input_ids.tolist() != alone.input_ids.tolist()
    assert maker(tokenizer, rows, seed=1).make([1], 3).input_ids.tolist() != alone.input_ids.tolist()
