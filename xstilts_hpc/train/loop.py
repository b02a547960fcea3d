"""The training loop: whatever the ranks and the micro-batch, the same up to rounding and dropout's masks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xstilts_hpc.data.batch import BatchMaker, training_order
from xstilts_hpc.data.masked import MaskedBatchMaker
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.update import Updater
from xstilts_hpc.training import order_of_parts


@dataclass(frozen=True)
class Step:
    """What one optimizer update reports: task, mean loss, learning rate, gradient norm before clipping, real tokens/s
    over all ranks, and the most tokens of a micro-batch.
    """

    step: int
    task: str
    loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_s: float
    micro_batch_tokens: int


@dataclass(frozen=True)
class PartSet:
    """The items of one part of a training set, how to make batches of them, and of a subset the ids of its examples."""

    batches: BatchMaker | MaskedBatchMaker
    items: NDArray[np.int64]
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingSet:
    """The parts to train on, the number of updates of each, and the seed of their order."""

    parts: tuple[PartSet, ...]
    updates: tuple[int, ...]
    seed: int

    def most_tokens(self, batch_size: int) -> int:
        """Return the tokens of the effective batch that has most."""
        orders = zip(self.parts, self._orders(batch_size), strict=True)
        return max(int(part.batches.lengths[order].sum(axis=1).max(initial=0)) for part, order in orders)

    def pieces(self) -> NDArray[np.int64] | None:
        """Return the ids that occur in the items trained on; None where a part hides tokens, so that any may occur."""
        found: list[NDArray[np.int64]] = []
        for part in self.parts:
            if isinstance(part.batches, MaskedBatchMaker):
                return None
            found.append(part.batches.pieces(part.items))
        return np.unique(np.concatenate(found))

    def effective_batches(self, batch_size: int) -> Iterator[tuple[PartSet, NDArray[np.int64]]]:
        """Yield the part and the items of each update: one part per update, in a seeded order."""
        orders = [iter(order) for order in self._orders(batch_size)]
        for part in order_of_parts(self.updates, self.seed):
            yield self.parts[part], next(orders[part])

    def _orders(self, batch_size: int) -> list[NDArray[np.int64]]:
        return [
            training_order(part.items, batch_size=batch_size, steps=steps, seed=self.seed)
            for part, steps in zip(self.parts, self.updates, strict=True)
        ]


def fine_tune(
    engine: Any, training: TrainingSet, recipe: Recipe, *, ranks: Ranks, micro_batch_tokens: int, first: int = 0
) -> Iterator[Step]:
    """Collective. Train to the end, yielding a Step after every update; the `first` updates were done before.

    `micro_batch_tokens` bounds a micro-batch; it is halved where memory runs out, which the steps then say.
    """
    updater = Updater(engine, ranks, micro_batch_tokens)
    engine.train()
    for step, (part, items) in islice(enumerate(training.effective_batches(recipe.batch_size)), first, None):
        started = time.perf_counter()
        rate = float(engine.optimizer.param_groups[0]["lr"])
        loss = ranks.total(updater.update(part.batches, items, step, training.seed))
        tokens_per_s = int(part.batches.lengths[items].sum()) / (time.perf_counter() - started)
        norm = float(engine.get_global_grad_norm())
        yield Step(step + 1, part.batches.task, loss, rate, norm, tokens_per_s, updater.limit)
