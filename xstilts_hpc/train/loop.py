"""The training loop: whatever the ranks and the micro-batch, the same up to rounding and dropout's masks."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from xstilts_hpc.data.batch import BatchMaker, training_order
from xstilts_hpc.machine import Machine
from xstilts_hpc.recipe import Recipe
from xstilts_hpc.train.ranks import Ranks
from xstilts_hpc.train.zero import micro_batch


@dataclass(frozen=True)
class Step:
    """What one optimizer update reports: mean loss, learning rate used, gradient norm before clipping, tokens/s."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float | None
    tokens_per_s: float


@dataclass(frozen=True)
class TrainingSet:
    """The items to train on, and how to make batches of them."""

    batches: BatchMaker
    items: NDArray[np.int64]
    seed: int


def fine_tune(engine: Any, training: TrainingSet, recipe: Recipe, machine: Machine, *, ranks: Ranks) -> Iterator[Step]:
    """Collective. Train to the end, yielding a Step after every update."""
    micro, accumulation = micro_batch(recipe.batch_size, ranks.world, machine.micro_batch)
    steps = recipe.num_steps(len(training.items))
    order = training_order(training.items, batch_size=recipe.batch_size, steps=steps, seed=training.seed)
    engine.train()
    for step, items in enumerate(order):
        started = time.perf_counter()
        rate = float(engine.optimizer.param_groups[0]["lr"])
        shares = items.reshape(accumulation, ranks.world, micro)[:, ranks.rank]
        loss, tokens = _update(engine, training, items, shares, seed_of(training.seed, step, ranks.rank))
        total = ranks.total(loss)
        seconds = time.perf_counter() - started
        yield Step(step + 1, total, rate, _grad_norm(engine), tokens * ranks.world / seconds)


def _update(
    engine: Any, training: TrainingSet, items: NDArray[np.int64], shares: NDArray[np.int64], seed: Callable[[int], int]
) -> tuple[Tensor, int]:
    """Do the micro-batches of one update; return this rank's part of the loss and its number of tokens.

    The loss of every micro-batch is divided by the classes to predict in the *effective* batch, so the gradient is
    that of the mean over it. DeepSpeed averages over accumulation and ranks, which the factor undoes.
    """
    count, factor = training.batches.gold_count(items), items.size // shares.shape[1]
    total, tokens = torch.zeros((), device=engine.device), 0
    for index, share in enumerate(shares):
        torch.manual_seed(seed(index))
        batch = training.batches.make(share).to(engine.device)
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
