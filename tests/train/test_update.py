"""An update that runs out of memory is made again in smaller micro-batches, by all ranks; nothing else changes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.test_zero import plain_training, run_ranks, train_on_ranks
from tests.train.update_ranks import shorten_memory
from tests.train.zero_ranks import RECIPE, training_of
from xstilts_hpc.machine import Machine
from xstilts_hpc.train.ranks import join_ranks
from xstilts_hpc.train.update import Updater
from xstilts_hpc.train.zero import start_engine

MODULE = "tests.train.update_ranks"
LIMIT = 80


def test_one_rank_out_of_memory_halves_the_micro_batch_of_all_and_no_loss_changes(tiny_root: Path) -> None:
    cases = [f"{stage} {when}" for stage in (0, 1, 2) for when in ("forward", "backward")]
    results = train_on_ranks(tiny_root, Machine(micro_batch_tokens=LIMIT, threads=1), cases, MODULE)
    plain = plain_training(tiny_root, "mnli")
    for case in cases:
        assert results[case]["losses"] == pytest.approx(plain.losses, rel=1e-4), case
        assert results[case]["grad_norms"] == pytest.approx(plain.grad_norms, rel=1e-3), case
        tokens = results[case]["micro_batch_tokens"]
        assert tokens[0] == LIMIT and tokens[-1] == LIMIT // 2 and len(set(tokens)) == 2, case


def test_ranks_with_sharded_weights_end_rather_than_wait_for_each_other(tiny_root: Path) -> None:
    machine = Machine(micro_batch_tokens=LIMIT, threads=1)
    (first, _), (last, error) = run_ranks(tiny_root, machine, ["3 forward"], MODULE)
    assert first and last == 1
    assert error.rstrip().splitlines()[-1].startswith("[rank1]: torch.OutOfMemoryError: no memory for")


def in_a_process(root: Path, bound: str) -> dict[str, Any]:
    subprocess.run([sys.executable, "-m", "tests.train.short_memory", str(root), bound], check=True, timeout=120)
    found: dict[str, Any] = json.loads((root / "out.json").read_text(encoding="utf-8"))
    return found


def test_a_process_without_memory_left_makes_the_same_update(tiny_root: Path) -> None:
    bound, free = (in_a_process(tiny_root, way) for way in ("bound", "free"))
    assert free["limit"] == 10**9
    assert bound["limit"] <= bound["tokens"] // 2
    assert bound["loss"] == pytest.approx(free["loss"], rel=1e-5)
    assert bound["norm"] == pytest.approx(free["norm"], rel=1e-5)


def test_single_examples_that_do_not_fit_end_the_run_with_what_may_help(tiny_root: Path) -> None:
    model, training = training_of(tiny_root, "mnli")
    shorten_memory(model.encoder, "forward", enough=1, begin=0)
    ranks = join_ranks(alone=True)
    engine = start_engine(model, RECIPE, Machine(zero_stage=0), steps=1, world=1)
    (part,) = training.parts
    longest = int(part.batches.lengths[:4].max())
    said = rf"single examples \({longest} tokens the longest\): .*activation_checkp.* rank: no memory for \d+ tokens$"
    with pytest.raises(MemoryError, match=said):
        Updater(engine, ranks, LIMIT).update(part.batches, np.arange(4), 0, 0)


def test_what_saves_memory_changes_no_loss(tiny_root: Path) -> None:
    offload = [f"{stage} never offload_optimizer" for stage in (1, 2, 3)]
    again = [f"{stage} never activation_checkpointing" for stage in (0, 2, 3)]
    results = train_on_ranks(tiny_root, Machine(micro_batch_tokens=LIMIT, threads=1), [*offload, *again], MODULE)
    losses = plain_training(tiny_root, "mnli").losses
    for case, result in results.items():
        assert result["losses"] == pytest.approx(losses, rel=1e-4), case
