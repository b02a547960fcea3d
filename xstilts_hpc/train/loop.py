"""The training loop: whatever the ranks and the micro-batch, the same up to rounding and dropout's masks."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from xstilts_hpc.data.batch import Batch, BatchMaker, training_order
from xstilts_hpc.data.masked import MaskedBatchMaker
from xstilts_hpc.machine import Machine
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.zero import micro_batch
from xstilts_hpc.training import order_of_parts


@dataclass(frozen=True)
class Step:
    """What one optimizer update reports: task, mean loss, learning rate, gradient norm before clipping, tokens/s."""

    step: int
    task: str
    loss: float
    learning_rate: float
    grad_norm: float | None
    tokens_per_s: float


@dataclass(frozen=True)
class PartSet:
    """The items of one part of a training set, and how to make batches of them."""

    batches: BatchMaker | MaskedBatchMaker
    items: NDArray[np.int64]


@dataclass(frozen=True)
class TrainingSet:
    """The parts to train on, the number of updates of each, and the seed of their order."""

    parts: tuple[PartSet, ...]
    updates: tuple[int, ...]
    seed: int

    def effective_batches(self, batch_size: int) -> Iterator[tuple[PartSet, NDArray[np.int64]]]:
        """Yield the part and the items of each update: one part per update, in a seeded order."""
        orders = [
            training_order(part.items, batch_size=batch_size, steps=steps, seed=self.seed)
            for part, steps in zip(self.parts, self.updates, strict=True)
        ]
        for part in order_of_parts(self.updates, self.seed):
            yield self.parts[part], next(orders[part])


def fine_tune(
    engine: Any, training: TrainingSet, recipe: Recipe, machine: Machine, *, ranks: Ranks, first: int = 0
) -> Iterator[Step]:
    """Collective. Train to the end, yielding a Step after every update; the `first` updates were done before."""
    micro, accumulation = micro_batch(recipe.batch_size, ranks.world, machine.micro_batch)
    engine.train()
    for step, (part, items) in islice(enumerate(training.effective_batches(recipe.batch_size)), first, None):
        started = time.perf_counter()
        rate = float(engine.optimizer.param_groups[0]["lr"])
        shares = items.reshape(accumulation, ranks.world, micro)[:, ranks.rank]
        count = max(1, part.batches.gold_count(items))
        seed = seed_of(training.seed, step, ranks.rank)
        batches = ((seed(i), part.batches.make(share, step)) for i, share in enumerate(shares))
        # DeepSpeed averages over accumulation and ranks, which the factor undoes.
        loss, tokens = _update(engine, batches, count, accumulation * ranks.world)
        total = ranks.total(loss)
        seconds = time.perf_counter() - started
        yield Step(step + 1, part.batches.task, total, rate, _grad_norm(engine), tokens * ranks.world / seconds)


def _update(engine: Any, batches: Iterable[tuple[int, Batch]], count: int, factor: int) -> tuple[Tensor, int]:
    """Do the micro-batches of one update; return this rank's part of the loss and its number of tokens.

    The loss of every micro-batch is divided by the classes to predict in the *effective* batch (`count`), so the
    gradient is that of the mean over it.
    """
    total, tokens = torch.zeros((), device=engine.device), 0
    for seed, plain in batches:
        torch.manual_seed(seed)
        batch = plain.to(engine.device)
        loss = functional.cross_entropy(engine(batch).float(), batch.gold, reduction="sum") / count
        engine.backward(loss * factor)
        engine.step()
        total += loss.detach()
        tokens += int(batch.attention_mask.sum())
    return total, tokens


def seed_of(seed: int, step: int, rank: int) -> Callable[[int], int]:
    """Return the dropout seed of each micro-batch, a function of where it stands: a repeated run draws the same."""
    return lambda micro: int(np.random.SeedSequence([seed, step, rank, micro]).generate_state(1)[0])


def _grad_norm(engine: Any) -> float | None:
    norm = engine.get_global_grad_norm()
    return None if norm is None else float(norm)
