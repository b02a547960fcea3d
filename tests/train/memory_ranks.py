"""One rank that counts what DeepSpeed holds: the main rank writes the bytes of every stage as JSON."""

import json
import sys
import weakref
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.train.zero_ranks import RECIPE
from xstilts_hpc.data.batch import Batch
from xstilts_hpc.data.rows import rows_of
from xstilts_hpc.ending import end_with
from xstilts_hpc.machine import Machine
from xstilts_hpc.model.heads import TaskModel
from xstilts_hpc.model.random_model import random_encoder
from xstilts_hpc.tasks import task_of
from xstilts_hpc.train import zero
from xstilts_hpc.train.memory import trained_of
from xstilts_hpc.train.ranks import Ranks, join_ranks
from xstilts_hpc.train.update import Updater

ROWS, LENGTH = 4, 8


class Living(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is on and still live."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, positional: Any = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        """Count what a call returns, once per storage."""
        result = function(*positional, **(named or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and not value.is_meta:
                self._add(value.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def batch(rows: int, length: int) -> Batch:
    """Return a batch of equally long rows."""
    ids = torch.arange(rows * length) % 50 + 5
    empty = torch.zeros(0, dtype=torch.int64)
    return Batch("mnli", ids, rows_of([length] * rows), torch.zeros(rows, dtype=torch.int64), empty)


def model_of(layers: int, hidden: int) -> TaskModel:
    """Return a random model of XLM-R's shape with a small vocabulary."""
    return TaskModel(random_encoder(pieces=100, layers=layers, hidden=hidden, seed=0), [task_of("mnli")], seed=0)


class Rows:
    """Items of equal length, as an Updater reads them."""

    lengths = np.full(100, LENGTH, dtype=np.int64)

    def gold_count(self, items: NDArray[np.int64]) -> int:
        """Return the number of classes to predict."""
        return len(items)

    def make(self, items: NDArray[np.int64], step: int) -> Batch:
        """Return the batch of some items."""
        return batch(len(items), LENGTH)


def held(machine: Machine, ranks: Ranks) -> dict[str, Any]:
    """Return what lives between two updates, at most in the second of two passes, and at most behind it."""
    living, found = Living(), dict[str, Any]()
    with living:
        model = model_of(3, 512)  # matrices of more than 1e5 weights: smaller ones stay whole at stage 3
        found["trained"] = asdict(trained_of(model))
        engine = zero.start_engine(model.train(), RECIPE, machine, steps=10, world=ranks.world)
        backward = engine.backward

        def watched(loss: torch.Tensor) -> None:
            backward(loss)
            found["held"], living.most = living.most, living.now

        engine.backward = watched
        updater = Updater(engine, ranks, limit=ROWS * LENGTH // 2)
        for step in range(2):
            found["kept"] = living.now
            updater.update(Rows(), np.arange(ROWS * ranks.world), step, 0)  # type: ignore[arg-type]
            found["update"], living.most = living.most, living.now
    engine.destroy()
    return found


def main(out: Path, cases: list[str]) -> None:
    """Measure each case, a ZeRO stage and a precision (`2 bf16`)."""
    zero._BUCKET = 1_000  # of the real size it would be larger than this model
    ranks = join_ranks()
    results = {}
    for case in cases:
        stage, precision = case.split()
        results[case] = held(replace(Machine(), zero_stage=int(stage), precision=precision), ranks)
    if ranks.is_main():
        out.write_text(json.dumps(results))
    ranks.barrier()


if __name__ == "__main__":
    end_with(main, Path(sys.argv[2]), sys.argv[4:])
