"""One optimizer update: forward and backward over the micro-batches of a rank, one reduction, one step.

Gradients are summed on each rank and reduced once, behind the last micro-batch. So nothing is communicated before every
rank has its gradients, and a rank that runs out of memory can tell the others to try again with smaller micro-batches.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from xstilts_hpc.data.batch import BatchMaker
from xstilts_hpc.data.masked import MaskedBatchMaker
from xstilts_hpc.machine import SHARDED_WEIGHTS
from xstilts_hpc.train.micro_batches import Items, micro_batches
from xstilts_hpc.train.out_of_memory import give_back, is_out_of_memory
from xstilts_hpc.train.ranks import Ranks


@dataclass
class Updater:
    """Makes updates with a DeepSpeed engine, in micro-batches of at most `limit` tokens: half where memory runs out."""

    engine: Any
    ranks: Ranks
    limit: int
    said: str = field(default="", init=False)  # what the last try without memory said on this rank

    def update(self, batches: BatchMaker | MaskedBatchMaker, items: NDArray[np.int64], step: int, seed: int) -> Tensor:
        """Collective. Do one update on the items of an effective batch; return this rank's part of the mean loss.

        The loss of every micro-batch is divided by the classes to predict in the *effective* batch, so the gradient is
        that of the mean over it, whatever the ranks and the micro-batches.
        """
        tokens, count = batches.lengths[items], max(1, batches.gold_count(items))
        with self._reduced_once():
            while True:
                shares = micro_batches(tokens, self.ranks.world, self.limit)[self.ranks.rank]
                loss = self._loss(batches, [items[share] for share in shares], step, seed, count)
                if not self.ranks.highest(int(loss is None)):
                    break
                self._halve(tokens)
        assert loss is not None
        self.engine.step()
        return loss

    def _loss(
        self, batches: BatchMaker | MaskedBatchMaker, shares: list[Items], step: int, seed: int, count: int
    ) -> Tensor | None:
        """Return this rank's loss with its gradients left on the parameters; None where memory ran out."""
        total = torch.zeros((), device=self.engine.device)
        try:
            for micro, share in enumerate(shares):
                torch.manual_seed(dropout_seed(seed, step, self.ranks.rank, micro))
                batch = batches.make(share, step).to(self.engine.device)
                loss = functional.cross_entropy(self.engine(batch).float(), batch.gold, reduction="sum") / count
                self.engine.backward(loss * self.ranks.world)  # the reduction averages over ranks
                total += loss.detach()
        except Exception as error:
            if not is_out_of_memory(error) or not self._can_try_again():
                raise
            self.said = str(error)  # the error itself holds on to the tensors of the try
            return None
        return total

    def _can_try_again(self) -> bool:
        """Say whether nothing was communicated yet: where weights are sharded, forward and backward gather them."""
        return self.ranks.world == 1 or self.engine.zero_optimization_stage() < SHARDED_WEIGHTS

    def _halve(self, tokens: Items) -> None:
        """Drop the gradients of a failed try, and halve the limit; MemoryError where single items were tried."""
        for parameter in self.engine.module.parameters():
            parameter.grad = None
        give_back(self.engine.device)
        if self.limit <= tokens.min():
            raise MemoryError(
                f"out of memory with single examples ({tokens.max()} tokens the longest): use a device with more "
                "memory, activation_checkpointing, a higher zero_stage on more ranks, or a smaller recipe.max_length; "
                f"what failed on this rank: {self.said or 'nothing'}"
            )
        self.limit = max(int(tokens.min()), min(self.limit, int(tokens.sum())) // 2)

    @contextmanager
    def _reduced_once(self) -> Iterator[None]:
        """Leave gradients on the parameters inside the block, and reduce them over the ranks at its end."""
        if self.engine.zero_optimization_stage():
            with self.engine.coalesce_grad_reduction():
                try:
                    yield
                except BaseException:
                    self._reduce_nothing()
                    raise
            return
        self.engine.set_gradient_accumulation_boundary(False)
        yield
        self.engine.set_gradient_accumulation_boundary(True)
        if self.ranks.world > 1:
            self.engine.allreduce_gradients()

    def _reduce_nothing(self) -> None:
        """Have DeepSpeed's block not reduce at its end after an error, which the other ranks need not share.

        They would wait for each other, this one in the reduction, the others in the gathering of weights.
        """
        for name in ("_flush_coalesced_reduction_zero12", "_flush_coalesced_reduction_zero3"):
            setattr(self.engine, name, lambda optimizer: None)


def dropout_seed(seed: int, step: int, rank: int, micro: int) -> int:
    """Return the dropout seed of a micro-batch, a function of where it stands: a repeated run draws the same."""
    return int(np.random.SeedSequence([seed, step, rank, micro]).generate_state(1)[0])
